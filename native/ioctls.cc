// First: <sys/ttycom.h> measures a struct termios and does not bring it.
#include <termios.h>

#include <sys/capsicum.h>
#include <sys/filio.h>
#include <sys/ttycom.h>

#include <cerrno>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "system_error.h"

namespace {

struct NamedIoctl {
  const char* name;
  unsigned long command;
};

// lib/capsicum/ioctls.ts names the same; a test compares them.
constexpr NamedIoctl kIoctls[] = {
#define NAME(command) {#command, command}
    NAME(FIOCLEX),   NAME(FIONCLEX),   NAME(FIONREAD), NAME(FIONBIO),  NAME(FIOASYNC),
    NAME(FIODTYPE),  NAME(FIODGNAME),  NAME(TIOCGETA), NAME(TIOCSETA), NAME(TIOCSETAW),
    NAME(TIOCSETAF), NAME(TIOCGWINSZ), NAME(TIOCGPTN),
#undef NAME
};

Napi::Value IoctlTable(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array table = Napi::Array::New(env);
  uint32_t length = 0;
  for (const NamedIoctl& ioctl : kIoctls) {
    Napi::Array row = Napi::Array::New(env, 2);
    row.Set(0U, Napi::String::New(env, ioctl.name));
    row.Set(1U, Napi::Number::New(env, static_cast<double>(ioctl.command)));
    table.Set(length++, row);
  }
  return table;
}

Napi::Value CapIoctlsLimit(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  if (arguments.IsNull(1)) {
    // There is no call for "all": it can only be what the descriptor has yet.
    const ssize_t count = cap_ioctls_get(fd, nullptr, 0);
    if (count < 0) {
      ThrowSystemError(info.Env(), errno, "cap_ioctls_get", fd);
    } else if (count != CAP_IOCTLS_ALL) {
      ThrowSystemError(info.Env(), ENOTCAPABLE, "cap_ioctls_limit", fd);
    }
    return info.Env().Undefined();
  }
  const std::vector<cap_ioctl_t> commands = arguments.UnsignedList(1);
  if (arguments.failed()) return {};
  if (cap_ioctls_limit(fd, commands.data(), commands.size()) != 0) {
    ThrowSystemError(info.Env(), errno, "cap_ioctls_limit", fd);
  }
  return info.Env().Undefined();
}

Napi::Value CapIoctlsGet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  // 256 is the most the kernel keeps (IOCTLS_MAX_COUNT).
  cap_ioctl_t commands[256];
  const ssize_t count = cap_ioctls_get(fd, commands, sizeof(commands) / sizeof(commands[0]));
  if (count < 0) {
    ThrowSystemError(env, errno, "cap_ioctls_get", fd);
    return {};
  }
  if (count == CAP_IOCTLS_ALL) return env.Null();
  if (static_cast<size_t>(count) > sizeof(commands) / sizeof(commands[0])) {
    // A kernel that keeps more than fits must not be reported in part.
    ThrowSystemError(env, EOVERFLOW, "cap_ioctls_get", fd);
    return {};
  }
  Napi::Array list = Napi::Array::New(env, static_cast<size_t>(count));
  for (uint32_t i = 0; i < static_cast<uint32_t>(count); i++) {
    list.Set(i, Napi::Number::New(env, static_cast<double>(commands[i])));
  }
  return list;
}

}  // namespace

void AddIoctls(Napi::Env env, Napi::Object exports) {
  AddFunction<IoctlTable>(env, exports, "ioctlTable");
  AddFunction<CapIoctlsLimit>(env, exports, "capIoctlsLimit");
  AddFunction<CapIoctlsGet>(env, exports, "capIoctlsGet");
}
