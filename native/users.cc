#include <grp.h>
#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "system_error.h"

namespace {

// Calls a get*_r function with a buffer that grows until the record fits.
template <typename Record, typename Call>
int LookUp(std::vector<char>& buffer, Record* record, Record** found, Call call) {
  int error = ERANGE;
  for (size_t size = 1024; error == ERANGE && size <= size_t{1024} * 1024; size *= 4) {
    buffer.resize(size);
    error = call(record, buffer.data(), buffer.size(), found);
  }
  return error;
}

Napi::Value LookUpUser(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::vector<char> buffer;
  struct passwd record;
  struct passwd* found = nullptr;
  int error;
  if (arguments.IsString(0)) {
    const std::string name = arguments.String(0);
    if (arguments.failed()) return {};
    error = LookUp(buffer, &record, &found, [&](auto* r, char* b, size_t n, auto** f) {
      return getpwnam_r(name.c_str(), r, b, n, f);
    });
  } else {
    const uid_t uid = arguments.Uint32(0);
    if (arguments.failed()) return {};
    error = LookUp(buffer, &record, &found, [&](auto* r, char* b, size_t n, auto** f) {
      return getpwuid_r(uid, r, b, n, f);
    });
  }
  if (error != 0) {
    ThrowSystemError(env, error, arguments.IsString(0) ? "getpwnam_r" : "getpwuid_r");
    return {};
  }
  if (found == nullptr) return env.Undefined();
  Napi::Object user = Napi::Object::New(env);
  user.Set("uid", Napi::Number::New(env, found->pw_uid));
  user.Set("gid", Napi::Number::New(env, found->pw_gid));
  return user;
}

Napi::Value LookUpGroup(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const std::string name = arguments.String(0);
  if (arguments.failed()) return {};
  std::vector<char> buffer;
  struct group record;
  struct group* found = nullptr;
  const int error = LookUp(buffer, &record, &found, [&](auto* r, char* b, size_t n, auto** f) {
    return getgrnam_r(name.c_str(), r, b, n, f);
  });
  if (error != 0) {
    ThrowSystemError(env, error, "getgrnam_r");
    return {};
  }
  if (found == nullptr) return env.Undefined();
  return Napi::Number::New(env, found->gr_gid);
}

// Order matters: once the user is switched, the right to change groups is gone.
// After a failure the earlier parts stay switched; the caller must not go on.
Napi::Value SwitchUser(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const bool keep_user = arguments.IsNull(0);
  const bool keep_group = arguments.IsNull(1);
  const uid_t uid = keep_user ? 0 : arguments.Uint32(0);
  const gid_t gid = keep_group ? getegid() : arguments.Uint32(1);
  if (arguments.failed()) return {};

  if (setgroups(1, &gid) != 0) {
    ThrowSystemError(env, errno, "setgroups");
    return {};
  }
  if (setgid(gid) != 0) {
    ThrowSystemError(env, errno, "setgid");
    return {};
  }
  if (!keep_user && setuid(uid) != 0) {
    ThrowSystemError(env, errno, "setuid");
    return {};
  }

  gid_t real_gid, effective_gid, saved_gid;
  uid_t real_uid, effective_uid, saved_uid;
  if (getresgid(&real_gid, &effective_gid, &saved_gid) != 0 ||
      getresuid(&real_uid, &effective_uid, &saved_uid) != 0) {
    ThrowSystemError(env, errno, "getresuid");
    return {};
  }
  // At most the one group may be left; 14.x lists the effective gid first.
  gid_t groups[64];
  const int count = getgroups(64, groups);
  bool groups_left = count < 0;
  for (int i = 0; i < count; i++) groups_left = groups_left || groups[i] != gid;
  const bool group_wrong = real_gid != gid || effective_gid != gid || saved_gid != gid;
  const bool user_wrong =
      !keep_user && (real_uid != uid || effective_uid != uid || saved_uid != uid);
  if (groups_left || group_wrong || user_wrong) {
    ThrowSystemError(env, EPERM, groups_left ? "setgroups" : group_wrong ? "setgid" : "setuid");
  }
  return env.Undefined();
}

}  // namespace

void AddUsers(Napi::Env env, Napi::Object exports) {
  AddFunction<LookUpUser>(env, exports, "lookUpUser");
  AddFunction<LookUpGroup>(env, exports, "lookUpGroup");
  AddFunction<SwitchUser>(env, exports, "switchUser");
}
