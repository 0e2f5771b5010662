#include "system_error.h"

#include <sys/capsicum.h>

#include <cctype>
#include <cerrno>
#include <system_error>

#include "freebsd_compat.h"

namespace {

struct ErrorName {
  int number;
  const char* name;
  // Where the C library of the host cannot be asked.
  const char* text;
};

// ENOTCAPABLE and ECAPMODE come first: off FreeBSD their numbers have other
// names, which no call of this addon can give.
constexpr ErrorName kNames[] = {
    {ENOTCAPABLE, "ENOTCAPABLE", "capabilities insufficient"},
    {ECAPMODE, "ECAPMODE", "not permitted in capability mode"},
#define NAME(error) {error, #error, nullptr}
    NAME(E2BIG),
    NAME(EACCES),
    NAME(EADDRINUSE),
    NAME(EADDRNOTAVAIL),
    NAME(EAFNOSUPPORT),
    NAME(EAGAIN),
    NAME(EALREADY),
    NAME(EBADF),
    NAME(EBUSY),
    NAME(ECANCELED),
    NAME(ECHILD),
    NAME(ECONNABORTED),
    NAME(ECONNREFUSED),
    NAME(ECONNRESET),
    NAME(EDEADLK),
    NAME(EEXIST),
    NAME(EFAULT),
    NAME(EFBIG),
    NAME(EHOSTUNREACH),
    NAME(EILSEQ),
    NAME(EINPROGRESS),
    NAME(EINTR),
    NAME(EINVAL),
    NAME(EIO),
    NAME(EISCONN),
    NAME(EISDIR),
    NAME(ELOOP),
    NAME(EMFILE),
    NAME(EMLINK),
    NAME(EMSGSIZE),
    NAME(ENAMETOOLONG),
    NAME(ENFILE),
    NAME(ENOBUFS),
    NAME(ENODEV),
    NAME(ENOENT),
    NAME(ENOEXEC),
    NAME(ENOLCK),
    NAME(ENOMEM),
    NAME(ENOPROTOOPT),
    NAME(ENOSPC),
    NAME(ENOSYS),
    NAME(ENOTCONN),
    NAME(ENOTDIR),
    NAME(ENOTEMPTY),
    NAME(ENOTSOCK),
    NAME(ENOTSUP),
    NAME(ENOTTY),
    NAME(ENXIO),
    NAME(EOPNOTSUPP),
    NAME(EOVERFLOW),
    NAME(EPERM),
    NAME(EPIPE),
    NAME(EPROTO),
    NAME(EPROTOTYPE),
    NAME(ERANGE),
    NAME(EROFS),
    NAME(ESPIPE),
    NAME(ESRCH),
    NAME(ETIMEDOUT),
    NAME(ETXTBSY),
    NAME(EXDEV),
#undef NAME
};

// What Node says of files instead of what strerror(3) says.
constexpr ErrorName kFileErrors[] = {
    {EBUSY, "EBUSY", "resource busy or locked"},
    {EEXIST, "EEXIST", "file already exists"},
    {EFAULT, "EFAULT", "bad address in system call argument"},
    {EIO, "EIO", "i/o error"},
    {EISDIR, "EISDIR", "illegal operation on a directory"},
    {ELOOP, "ELOOP", "too many symbolic links encountered"},
    {ENAMETOOLONG, "ENAMETOOLONG", "name too long"},
    {ENFILE, "ENFILE", "file table overflow"},
    {ENOMEM, "ENOMEM", "not enough memory"},
    {ESPIPE, "ESPIPE", "invalid seek"},
    {ETXTBSY, "ETXTBSY", "text file is busy"},
    {EXDEV, "EXDEV", "cross-device link not permitted"},
};

}  // namespace

namespace {

// `subject` is what follows the name of the call in the message.
Napi::Error Make(Napi::Env env, int error, const char* syscall, const std::string& subject,
                 std::string text = {}) {
  std::string code = "Unknown system error " + std::to_string(-error);
  for (const ErrorName& entry : kNames) {
    if (entry.number != error) continue;
    code = entry.name;
    if (entry.text != nullptr) text = entry.text;
    break;
  }
  if (text.empty()) {
    // Not strerror(3), whose answer all threads share.
    text = std::generic_category().message(error);
    // Node writes these texts in lower case.
    if (!text.empty()) text[0] = static_cast<char>(tolower(static_cast<unsigned char>(text[0])));
  }
  Napi::Error result = Napi::Error::New(env, code + ": " + text + ", " + syscall + subject);
  result.Set("errno", Napi::Number::New(env, -error));
  result.Set("code", Napi::String::New(env, code));
  result.Set("syscall", Napi::String::New(env, syscall));
  return result;
}

}  // namespace

Napi::Error MakeSystemError(Napi::Env env, int error, const char* syscall, int fd,
                            const std::string& detail) {
  Napi::Error result = Make(env, error, syscall, detail.empty() ? "" : ": " + detail);
  if (fd != kNoDescriptor) result.Set("fd", Napi::Number::New(env, fd));
  return result;
}

Napi::Error MakeFileError(Napi::Env env, int error, const char* syscall, const std::string* path,
                          const std::string& dest) {
  std::string text;
  for (const ErrorName& entry : kFileErrors) {
    if (entry.number == error) text = entry.text;
  }
  std::string subject;
  if (path != nullptr) subject = " '" + *path + "'";
  if (!dest.empty()) subject += " -> '" + dest + "'";
  Napi::Error result = Make(env, error, syscall, subject, text);
  if (path != nullptr) result.Set("path", Napi::String::New(env, *path));
  if (!dest.empty()) result.Set("dest", Napi::String::New(env, dest));
  return result;
}

void ThrowSystemError(Napi::Env env, int error, const char* syscall, int fd,
                      const std::string& detail) {
  MakeSystemError(env, error, syscall, fd, detail).ThrowAsJavaScriptException();
}
