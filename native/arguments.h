// Reads JavaScript arguments into C values. TypeScript has checked them
// already; what arrives wrong all the same becomes a TypeError, not a crash.

#ifndef NATIVE_ARGUMENTS_H_
#define NATIVE_ARGUMENTS_H_

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "byte_span.h"

class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  // Each returns an empty value after the first argument that does not fit,
  // and leaves that argument's TypeError pending.
  int32_t Int32(size_t index);
  uint32_t Uint32(size_t index);
  bool Boolean(size_t index);
  Napi::Function Function(size_t index);
  std::string String(size_t index);
  // A string, or the bytes of a Uint8Array: names of files need not be UTF-8.
  std::string Path(size_t index);
  // A copy of the bytes of a Uint8Array.
  std::vector<char> Bytes(size_t index);
  // An integer that a double holds exactly.
  int64_t Int64(size_t index);
  // The data of a Uint32Array of exactly `length` words.
  uint32_t* Words(size_t index, size_t length);
  // Non-negative integers that a double holds exactly.
  std::vector<unsigned long> UnsignedList(size_t index);
  // Strings without null bytes.
  std::vector<std::string> StringList(size_t index);
  // The bytes of `length` Uint8Arrays or nulls. They are valid until JavaScript
  // runs again, reading another argument included.
  std::vector<ByteSpan> ByteSpans(size_t index, size_t length);

  // For arguments with parts: says that one does not fit.
  void Refuse(size_t index, const char* expected) { Fail(index, expected); }

  // The same, where an exception is pending already.
  void Abandon() { failed_ = true; }

  bool IsNull(size_t index) const { return info_[index].IsNull(); }
  bool IsString(size_t index) const { return info_[index].IsString(); }
  bool failed() const { return failed_; }
  Napi::Env Env() const { return info_.Env(); }

 private:
  // The elements of an array, each as `read` fills it in, which says whether it
  // fits.
  template <typename Value, typename Read>
  std::vector<Value> List(size_t index, const char* expected, Read read);
  void Fail(size_t index, const char* expected);

  const Napi::CallbackInfo& info_;
  bool failed_ = false;
};

#endif  // NATIVE_ARGUMENTS_H_
