// For the prebuilt addons, where the C++ library is linked in: its last words on an uncaught
// exception spell out a type's name, and the code for that is as large as all of the rest. Nothing
// throws here; the mangled name would do.

#include <cstddef>

// It is the C++ library's name.
// NOLINTNEXTLINE(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp)
extern "C" char* __cxa_demangle(const char*, char*, size_t*, int* status) {
  if (status != nullptr) *status = -2;  // "not a valid name": the caller prints it as it is
  return nullptr;
}
