#include <sys/capsicum.h>

#include <cerrno>

#include "addon.h"
#include "arguments.h"
#include "system_error.h"

namespace {

Napi::Value CapFcntlsLimit(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  const uint32_t mask = arguments.Uint32(1);
  if (arguments.failed()) return {};
  if (cap_fcntls_limit(fd, mask) != 0) {
    ThrowSystemError(info.Env(), errno, "cap_fcntls_limit", fd);
  }
  return info.Env().Undefined();
}

Napi::Value CapFcntlsGet(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  uint32_t mask = 0;
  if (cap_fcntls_get(fd, &mask) != 0) {
    ThrowSystemError(info.Env(), errno, "cap_fcntls_get", fd);
    return {};
  }
  return Napi::Number::New(info.Env(), mask);
}

}  // namespace

void AddFcntls(Napi::Env env, Napi::Object exports) {
  AddFunction<CapFcntlsLimit>(env, exports, "capFcntlsLimit");
  AddFunction<CapFcntlsGet>(env, exports, "capFcntlsGet");
}
