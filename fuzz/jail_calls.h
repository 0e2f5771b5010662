// jail_set(2) and jail_get(2) of the simulated kernel as the addon calls them,
// for targets that hand them what they like.

#ifndef FUZZ_JAIL_CALLS_H_
#define FUZZ_JAIL_CALLS_H_

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "../native/jail_vectors.h"

// Jails are root's, and the target need not be: the simulated kernel asks this.
extern "C" uid_t geteuid() { return 0; }

// Names and values of one call. Each value has memory of its own, of exactly its
// size, so that a byte too many is seen.
struct JailCall {
  std::vector<std::string> names;
  std::vector<std::vector<uint8_t>> values;

  void Add(std::string name, const std::vector<uint8_t>& value) {
    names.push_back(std::move(name));
    // A copy: what a vector was given byte by byte has room for more.
    values.emplace_back(value.begin(), value.end());
  }
  void AddInt(std::string name, int value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    Add(std::move(name), {bytes, bytes + sizeof(value)});
  }
  void AddFlag(std::string name) { Add(std::move(name), {}); }

  // Both return what the system call does, and close a descriptor it made; what
  // jail_get(2) says of the lengths is what the values have then.
  int Set(int flags, int descriptor = -1) { return Call<jail_set>(flags, descriptor); }
  int Get(int flags, int descriptor = -1) { return Call<jail_get>(flags, descriptor); }

 private:
  template <int (*SystemCall)(struct iovec*, unsigned int, int)>
  int Call(int flags, int descriptor) {
    std::vector<ByteSpan> spans;
    for (auto& value : values) {
      spans.push_back(value.empty() ? ByteSpan{} : ByteSpan{value.data(), value.size()});
    }
    JailVectors vectors(names, spans, descriptor, flags);
    const int jid = SystemCall(vectors.data(), vectors.size(), flags);
    if (vectors.message().size() >= 1024) abort();
    if (jid < 0) return jid;
    if ((flags & (JAIL_GET_DESC | JAIL_OWN_DESC)) != 0) close(vectors.descriptor());
    for (size_t i = 0; i < values.size(); i++) {
      // With memory, never more than it has; without, the size of what there is.
      if (!values[i].empty() && vectors.length(i) > values[i].size()) abort();
      values[i].resize(vectors.length(i));
    }
    return jid;
  }
};

inline void RemoveAllJails() {
  for (;;) {
    JailCall call;
    call.AddInt("lastjid", 0);
    const int jid = call.Get(0);
    if (jid < 0) return;
    if (jail_remove(jid) != 0) abort();
  }
}

#endif  // FUZZ_JAIL_CALLS_H_
