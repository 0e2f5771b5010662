#include <sys/capsicum.h>

#include <cerrno>

#include "addon.h"
#include "system_error.h"

namespace {

Napi::Value CapEnter(const Napi::CallbackInfo& info) {
  if (cap_enter() != 0) ThrowSystemError(info.Env(), errno, "cap_enter");
  return info.Env().Undefined();
}

Napi::Value CapGetMode(const Napi::CallbackInfo& info) {
  unsigned int mode = 0;
  if (cap_getmode(&mode) != 0) {
    ThrowSystemError(info.Env(), errno, "cap_getmode");
    return {};
  }
  return Napi::Boolean::New(info.Env(), mode != 0);
}

}  // namespace

void AddCapabilityMode(Napi::Env env, Napi::Object exports) {
  AddFunction<CapEnter>(env, exports, "capEnter");
  AddFunction<CapGetMode>(env, exports, "capGetMode");
}
