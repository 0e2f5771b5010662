// What every facility offers to the module entry.

#ifndef NATIVE_ADDON_H_
#define NATIVE_ADDON_H_

#include <napi.h>

void AddKernel(Napi::Env env, Napi::Object exports);
void AddCapabilityMode(Napi::Env env, Napi::Object exports);
void AddRights(Napi::Env env, Napi::Object exports);
void AddIoctls(Napi::Env env, Napi::Object exports);
void AddFcntls(Napi::Env env, Napi::Object exports);
void AddDescriptors(Napi::Env env, Napi::Object exports);
void AddDirectories(Napi::Env env, Napi::Object exports);
void AddProcessControl(Napi::Env env, Napi::Object exports);
void AddUsers(Napi::Env env, Napi::Object exports);
void AddThreadPool(Napi::Env env, Napi::Object exports);
void AddEventThread(Napi::Env env, Napi::Object exports);
void AddSpawn(Napi::Env env, Napi::Object exports);
void AddProcessDescriptor(Napi::Env env, Napi::Object exports);
void AddJail(Napi::Env env, Napi::Object exports);
void AddJailParameters(Napi::Env env, Napi::Object exports);
void AddMounts(Napi::Env env, Napi::Object exports);
void AddJailProcesses(Napi::Env env, Napi::Object exports);

// Adds `function` under `name`, without user data.
template <auto Function>
void AddFunction(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Function>(env, name));
}

#endif  // NATIVE_ADDON_H_
