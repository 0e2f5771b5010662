#include <sys/types.h>
// Keep this order: sys/procctl.h needs sys/types.h.
#include <sys/procctl.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "system_error.h"

namespace {

Napi::Value DisableCoreDumps(const Napi::CallbackInfo& info) {
  const struct rlimit none = {0, 0};
  struct rlimit now = {1, 1};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {
    ThrowSystemError(info.Env(), errno, "setrlimit");
  } else if (getrlimit(RLIMIT_CORE, &now) != 0) {
    ThrowSystemError(info.Env(), errno, "getrlimit");
  } else if (now.rlim_cur != 0 || now.rlim_max != 0) {
    ThrowSystemError(info.Env(), EINVAL, "setrlimit");
  }
  return info.Env().Undefined();
}

// procctl(2) on this process: sets by `control`, answers what `query` then says.
int SetAndQuery(Napi::Env env, int control, int value, int query) {
  int status = 0;
  if (procctl(P_PID, 0, control, &value) != 0 || procctl(P_PID, 0, query, &status) != 0) {
    ThrowSystemError(env, errno, "procctl");
  }
  return status;
}

Napi::Value NoNewPrivileges(const Napi::CallbackInfo& info) {
  const int status = SetAndQuery(info.Env(), PROC_NO_NEW_PRIVS_CTL, PROC_NO_NEW_PRIVS_ENABLE,
                                 PROC_NO_NEW_PRIVS_STATUS);
  return Napi::Boolean::New(info.Env(), status == PROC_NO_NEW_PRIVS_ENABLE);
}

Napi::Value DisableTracing(const Napi::CallbackInfo& info) {
  // _EXEC: programs that this process starts are not open to tracing either.
  const int status =
      SetAndQuery(info.Env(), PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE_EXEC, PROC_TRACE_STATUS);
  return Napi::Boolean::New(info.Env(), status == -1);
}

// The variables as exec(2) laid them down; setenv(3) since then does not show.
Napi::Value InitialVariable(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const std::string prefix = arguments.String(0) + "=";
  if (arguments.failed()) return {};
  int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_ENV, getpid()};
  // ARG_MAX is the most there can be of them.
  std::vector<char> block(512 * 1024);
  size_t length = block.size();
  if (sysctl(mib, 4, block.data(), &length, nullptr, 0) != 0) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }
  const std::string_view all(block.data(), length);
  for (size_t start = 0; start < all.size();) {
    const size_t end = std::min(all.find('\0', start), all.size());
    const std::string_view variable = all.substr(start, end - start);
    if (variable.substr(0, prefix.size()) == prefix) {
      return Napi::String::New(env, std::string(variable.substr(prefix.size())));
    }
    start = end + 1;
  }
  return env.Undefined();
}

}  // namespace

void AddProcessControl(Napi::Env env, Napi::Object exports) {
  AddFunction<DisableCoreDumps>(env, exports, "disableCoreDumps");
  AddFunction<NoNewPrivileges>(env, exports, "noNewPrivileges");
  AddFunction<DisableTracing>(env, exports, "disableTracing");
  AddFunction<InitialVariable>(env, exports, "initialVariable");
}
