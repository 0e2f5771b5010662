// The one helper that makes system errors, in the shape Node gives its own:
// a plain Error with `code`, negative `errno`, `syscall` and, where it applies,
// `fd`; message "EBADF: bad file descriptor, cap_rights_get".

#ifndef NATIVE_SYSTEM_ERROR_H_
#define NATIVE_SYSTEM_ERROR_H_

#include <napi.h>

#include <string>

constexpr int kNoDescriptor = -1;

// `error` is an errno value of the host, or ENOTCAPABLE or ECAPMODE. `detail` is
// what the kernel itself said of the failure, where it does; it follows the
// name of the call: "EEXIST: file exists, jail_set: jail 5 already exists".
Napi::Error MakeSystemError(Napi::Env env, int error, const char* syscall, int fd = kNoDescriptor,
                            const std::string& detail = {});
void ThrowSystemError(Napi::Env env, int error, const char* syscall, int fd = kNoDescriptor,
                      const std::string& detail = {});

// The same for a call that names files, as Node's file system errors do:
// "ENOENT: no such file or directory, rename 'a' -> 'b'". `path` may be null
// (a call on a file already open), `dest` empty.
Napi::Error MakeFileError(Napi::Env env, int error, const char* syscall, const std::string* path,
                          const std::string& dest = {});

#endif  // NATIVE_SYSTEM_ERROR_H_
