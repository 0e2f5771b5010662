#include <sys/types.h>
// Keep this order: sys/exec.h and sys/procctl.h need sys/types.h.
#include <sys/exec.h>
#include <sys/procctl.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <string>

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

// Reads the variables where exec(2) laid them down; setenv(3) works on copies.
// Not by KERN_PROC_ENV: that fails with ENOMEM for some layouts of the stack.
Napi::Value InitialVariable(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const std::string prefix = arguments.String(0) + "=";
  if (arguments.failed()) return {};
  unsigned long address = 0;
  size_t length = sizeof(address);
  if (sysctlbyname("kern.ps_strings", &address, &length, nullptr, 0) != 0) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }
  const auto* strings = reinterpret_cast<const ps_strings*>(address);
  if (strings == nullptr || strings->ps_envstr == nullptr) return env.Undefined();
  for (unsigned int i = 0; i < strings->ps_nenvstr; i++) {
    const char* variable = strings->ps_envstr[i];
    if (variable == nullptr) break;
    if (strncmp(variable, prefix.c_str(), prefix.size()) == 0) {
      return Napi::String::New(env, variable + prefix.size());
    }
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
