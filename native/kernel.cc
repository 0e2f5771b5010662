#include "kernel.h"

#include <sys/types.h>
// Keep this order: sys/sysctl.h needs sys/types.h.
#include <sys/sysctl.h>

#include <cerrno>

#include "addon.h"
#include "system_error.h"

namespace {

Napi::Value KernelRelease(const Napi::CallbackInfo& info) {
  char release[256];
  size_t length = sizeof(release);
  if (sysctlbyname("kern.osrelease", release, &length, nullptr, 0) != 0) {
    ThrowSystemError(info.Env(), errno, "sysctl");
    return {};
  }
  return Napi::String::New(info.Env(), release);
}

// Not __FreeBSD_version: that is the release whose headers were compiled in.
Napi::Value KernelOsreldate(const Napi::CallbackInfo& info) {
  int osreldate = 0;
  size_t length = sizeof(osreldate);
  if (sysctlbyname("kern.osreldate", &osreldate, &length, nullptr, 0) != 0) {
    ThrowSystemError(info.Env(), errno, "sysctl");
    return {};
  }
  return Napi::Number::New(info.Env(), osreldate);
}

}  // namespace

void AddKernel(Napi::Env env, Napi::Object exports) {
  exports.Set("kernelKind", Napi::String::New(env, KernelKind()));
  AddFunction<KernelRelease>(env, exports, "kernelRelease");
  AddFunction<KernelOsreldate>(env, exports, "kernelOsreldate");
  AddSimulation(env, exports);
}
