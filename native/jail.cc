// jail_set(2), jail_get(2) and their kin. Values cross as bytes: which type a
// parameter has is TypeScript's to know (lib/jail/parameters.ts).

#include <fcntl.h>
#include <sys/param.h>
#include <sys/uio.h>
// Keep this order: sys/jail.h and sys/sysctl.h need the types above.
#include <sys/jail.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "environment.h"
#include "held_descriptors.h"
#include "jail_descriptor_calls.h"
#include "jail_vectors.h"
#include "system_error.h"
#include "unique_fd.h"

namespace {

struct Request {
  std::vector<std::string> names;
  std::vector<ByteSpan> values;
  int descriptor;
  int flags;
};

// Arguments of jailSet and jailGet. What is read after the bytes are two
// numbers, which runs no JavaScript that could take them away.
bool ReadRequest(const Napi::CallbackInfo& info, Request* request) {
  Arguments arguments(info);
  request->names = arguments.StringList(0);
  const size_t count = request->names.size();
  request->values = arguments.ByteSpans(1, count);
  request->descriptor = arguments.Int32(2);
  request->flags = arguments.Int32(3);
  return !arguments.failed();
}

// The descriptor that a call made. The kernel leaves it open across exec, where
// it would be a key to the jail in a stranger's hands.
UniqueFd NewDescriptor(const JailVectors& parameters, int flags) {
  if ((flags & (JAIL_GET_DESC | JAIL_OWN_DESC)) == 0) return UniqueFd();
  return UniqueFd(parameters.descriptor());
}

bool CloseOnExec(Napi::Env env, int fd) {
  if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) return true;
  ThrowSystemError(env, errno, "fcntl", fd);
  return false;
}

// What JavaScript gets. A worker that ends closes nothing of its own accord, and
// an owned jail that nobody can close any more would outlive its owner.
Napi::Value Give(Napi::Env env, UniqueFd fd) {
  const int number = fd.release();
  if (number >= 0) Environment::Of(env).held_descriptors->Keep(number);
  return Napi::Number::New(env, number);
}

Napi::Value JailSet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Request request;
  if (!ReadRequest(info, &request)) return {};
  JailVectors parameters(request.names, request.values, request.descriptor, request.flags);
  const int jid = jail_set(parameters.data(), parameters.size(), request.flags);
  if (jid < 0) {
    ThrowSystemError(env, errno, "jail_set", kNoDescriptor, parameters.message());
    return {};
  }
  UniqueFd fd = NewDescriptor(parameters, request.flags);
  if (!CloseOnExec(env, fd.get())) return {};
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("jid", Napi::Number::New(env, jid));
  answer.Set("fd", Give(env, std::move(fd)));
  return answer;
}

Napi::Value JailGet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Request request;
  if (!ReadRequest(info, &request)) return {};
  JailVectors parameters(request.names, request.values, request.descriptor, request.flags);
  const int jid = jail_get(parameters.data(), parameters.size(), request.flags);
  if (jid < 0) {
    ThrowSystemError(env, errno, "jail_get", kNoDescriptor, parameters.message());
    return {};
  }
  UniqueFd fd = NewDescriptor(parameters, request.flags);
  if (!CloseOnExec(env, fd.get())) return {};
  Napi::Array lengths = Napi::Array::New(env, request.names.size());
  for (uint32_t i = 0; i < request.names.size(); i++) {
    lengths.Set(i, Napi::Number::New(env, static_cast<double>(parameters.length(i))));
  }
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("jid", Napi::Number::New(env, jid));
  answer.Set("fd", Give(env, std::move(fd)));
  answer.Set("lengths", lengths);
  return answer;
}

// The calls that take one number, a jid or a descriptor, and answer nothing.
template <int (*Call)(int)>
Napi::Value CallWithNumber(const Napi::CallbackInfo& info, const char* syscall, bool descriptor) {
  Arguments arguments(info);
  const int number = arguments.Int32(0);
  if (arguments.failed()) return {};
  if (Call(number) != 0) {
    ThrowSystemError(info.Env(), errno, syscall, descriptor ? number : kNoDescriptor);
  }
  return info.Env().Undefined();
}

Napi::Value JailAttach(const Napi::CallbackInfo& info) {
  return CallWithNumber<jail_attach>(info, "jail_attach", false);
}

Napi::Value JailRemove(const Napi::CallbackInfo& info) {
  return CallWithNumber<jail_remove>(info, "jail_remove", false);
}

Napi::Value JailRemoveJd(const Napi::CallbackInfo& info) {
  return CallWithNumber<JailRemoveDescriptor>(info, "jail_remove_jd", true);
}

Napi::Value IsJailed(const Napi::CallbackInfo& info) {
  int jailed = 0;
  size_t length = sizeof(jailed);
  if (sysctlbyname("security.jail.jailed", &jailed, &length, nullptr, 0) != 0) {
    ThrowSystemError(info.Env(), errno, "sysctl");
    return {};
  }
  return Napi::Boolean::New(info.Env(), jailed != 0);
}

}  // namespace

void AddJail(Napi::Env env, Napi::Object exports) {
  AddFunction<JailSet>(env, exports, "jailSet");
  AddFunction<JailGet>(env, exports, "jailGet");
  AddFunction<JailAttach>(env, exports, "jailAttach");
  AddFunction<JailRemove>(env, exports, "jailRemove");
  AddFunction<JailRemoveJd>(env, exports, "jailRemoveDescriptor");
  AddFunction<IsJailed>(env, exports, "isJailed");
}
