// What is mounted: where, from what, and of which type.

#include <sys/param.h>
// Keep this order: sys/mount.h needs sys/param.h.
#include <sys/mount.h>

#include <cerrno>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "system_error.h"

namespace {

Napi::Value Mounts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<struct statfs> mounts;
  // Not more than there is room for; full, there may be others.
  for (size_t room = 64;; room *= 2) {
    mounts.resize(room);
    const int count =
        getfsstat(mounts.data(), static_cast<long>(room * sizeof(struct statfs)), MNT_NOWAIT);
    if (count < 0) {
      ThrowSystemError(env, errno, "getfsstat");
      return {};
    }
    if (static_cast<size_t>(count) == room) continue;
    mounts.resize(static_cast<size_t>(count));
    break;
  }
  Napi::Array list = Napi::Array::New(env);
  uint32_t length = 0;
  for (const struct statfs& mount : mounts) {
    Napi::Object record = Napi::Object::New(env);
    record.Set("on", Napi::String::New(env, mount.f_mntonname));
    record.Set("from", Napi::String::New(env, mount.f_mntfromname));
    record.Set("type", Napi::String::New(env, mount.f_fstypename));
    record.Set("local", Napi::Boolean::New(env, (mount.f_flags & MNT_LOCAL) != 0));
    list.Set(length++, record);
  }
  return list;
}

}  // namespace

void AddMounts(Napi::Env env, Napi::Object exports) { AddFunction<Mounts>(env, exports, "mounts"); }
