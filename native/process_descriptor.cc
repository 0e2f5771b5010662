#include <fcntl.h>
#include <sys/capsicum.h>
#include <sys/procdesc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "addon.h"
#include "arguments.h"
#include "child_calls.h"
#include "owned_processes.h"
#include "system_error.h"

namespace {

Napi::Value PdKill(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  const int signal = arguments.Int32(1);
  if (arguments.failed()) return {};
  if (pdkill(fd, signal) != 0) ThrowSystemError(info.Env(), errno, "pdkill", fd);
  return info.Env().Undefined();
}

Napi::Value PdAdopt(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  const bool unknown = arguments.Boolean(1);
  if (arguments.failed()) return {};
  pid_t pid = 0;
  const bool known = pdgetpid(fd, &pid) == 0;
  if (!known && !(unknown && errno == ENOTCAPABLE)) {
    ThrowSystemError(info.Env(), errno, "pdgetpid", fd);
    return {};
  }
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    ThrowSystemError(info.Env(), errno, "fcntl", fd);
    return {};
  }
  OwnedProcesses& owned = OwnedProcesses::Of(info.Env());
  if (!known) {
    owned.AddUnknown(fd);
    return info.Env().Undefined();
  }
  owned.Add(fd, pid);
  return Napi::Number::New(info.Env(), pid);
}

Napi::Value PdCheck(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  const int error = OwnedProcesses::Of(info.Env()).Check(fd);
  if (error != 0) ThrowSystemError(info.Env(), error, "pdgetpid", fd);
  return info.Env().Undefined();
}

Napi::Value PdClose(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  const int error = OwnedProcesses::Of(info.Env()).Close(fd);
  if (error != 0) ThrowSystemError(info.Env(), error, "close", fd);
  return info.Env().Undefined();
}

double Microseconds(const struct timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

Napi::Value PdReap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  int status = 0;
  struct rusage usage = {};
  if (child_calls::Reap(fd, &status, &usage) != 0) {
    ThrowSystemError(env, errno, "pdwait", fd);
    return {};
  }
  const double values[] = {
      static_cast<double>(status),
      Microseconds(usage.ru_utime),
      Microseconds(usage.ru_stime),
      static_cast<double>(usage.ru_maxrss),
      static_cast<double>(usage.ru_ixrss),
      static_cast<double>(usage.ru_idrss),
      static_cast<double>(usage.ru_isrss),
      static_cast<double>(usage.ru_minflt),
      static_cast<double>(usage.ru_majflt),
      static_cast<double>(usage.ru_nswap),
      static_cast<double>(usage.ru_inblock),
      static_cast<double>(usage.ru_oublock),
      static_cast<double>(usage.ru_msgsnd),
      static_cast<double>(usage.ru_msgrcv),
      static_cast<double>(usage.ru_nsignals),
      static_cast<double>(usage.ru_nvcsw),
      static_cast<double>(usage.ru_nivcsw),
  };
  Napi::Array list = Napi::Array::New(env);
  uint32_t length = 0;
  for (const double value : values) list.Set(length++, Napi::Number::New(env, value));
  return list;
}

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    ThrowSystemError(env, errno, "socketpair");
    return {};
  }
  Napi::Array pair = Napi::Array::New(env, 2);
  pair.Set(0U, Napi::Number::New(env, ends[0]));
  pair.Set(1U, Napi::Number::New(env, ends[1]));
  return pair;
}

}  // namespace

void AddProcessDescriptor(Napi::Env env, Napi::Object exports) {
  AddFunction<PdAdopt>(env, exports, "pdAdopt");
  AddFunction<PdCheck>(env, exports, "pdCheck");
  AddFunction<PdClose>(env, exports, "pdClose");
  AddFunction<PdKill>(env, exports, "pdKill");
  AddFunction<PdReap>(env, exports, "pdReap");
  AddFunction<SocketPair>(env, exports, "socketPair");
}
