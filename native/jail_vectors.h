#ifndef NATIVE_JAIL_VECTORS_H_
#define NATIVE_JAIL_VECTORS_H_

#include <sys/param.h>
#include <sys/uio.h>
// Keep this order: sys/jail.h needs the types above.
#include <sys/jail.h>

#include <cstring>
#include <string>
#include <vector>

#include "byte_span.h"
#include "freebsd_compat.h"

// The flags of calls that take a descriptor, or give one.
constexpr int kJailDescriptorFlags = JAIL_USE_DESC | JAIL_AT_DESC | JAIL_GET_DESC | JAIL_OWN_DESC;

// The pairs of names and values of one call, with room for the kernel's words
// behind them.
class JailVectors {
 public:
  // Names and values must outlive this.
  JailVectors(const std::vector<std::string>& names, const std::vector<ByteSpan>& values,
              int descriptor, int flags)
      : descriptor_(descriptor) {
    iovecs_.reserve(2 * (names.size() + 2));
    for (size_t i = 0; i < names.size(); i++) Add(names[i].c_str(), values[i].data, values[i].size);
    if ((flags & kJailDescriptorFlags) != 0) Add("desc", &descriptor_, sizeof(descriptor_));
    Add("errmsg", message_, sizeof(message_));
  }
  JailVectors(const JailVectors&) = delete;

  struct iovec* data() { return iovecs_.data(); }
  unsigned int size() const { return static_cast<unsigned int>(iovecs_.size()); }
  size_t length(size_t index) const { return iovecs_[2 * index + 1].iov_len; }
  int descriptor() const { return descriptor_; }
  // What the kernel says of a failure; many failures leave it empty.
  std::string message() const { return {message_, strnlen(message_, sizeof(message_))}; }

 private:
  void Add(const char* name, void* value, size_t size) {
    iovecs_.push_back({const_cast<char*>(name), strlen(name) + 1});
    iovecs_.push_back({value, size});
  }

  std::vector<struct iovec> iovecs_;
  int descriptor_;
  char message_[1024] = {};
};

#endif  // NATIVE_JAIL_VECTORS_H_
