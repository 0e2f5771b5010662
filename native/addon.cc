// Module entry: every facility adds its functions to the one flat table.

#include "addon.h"

namespace {

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  AddKernel(env, exports);
  AddCapabilityMode(env, exports);
  AddRights(env, exports);
  AddIoctls(env, exports);
  AddFcntls(env, exports);
  AddDescriptors(env, exports);
  AddDirectories(env, exports);
  AddProcessControl(env, exports);
  AddUsers(env, exports);
  AddThreadPool(env, exports);
  AddEventThread(env, exports);
  AddSpawn(env, exports);
  AddProcessDescriptor(env, exports);
  AddJail(env, exports);
  AddJailParameters(env, exports);
  AddJailProcesses(env, exports);
  AddMounts(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(freebsd_capsule, Initialize)
