// What the running kernel says its jail parameters are: names, types and
// access under security.jail.param.

#include <sys/types.h>
// Keep this order: sys/sysctl.h needs sys/types.h.
#include <sys/sysctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "addon.h"
#include "jail_parameter_record.h"
#include "system_error.h"

namespace {

// Questions about a node rather than to it: sysctl(3), the "sysctl" node.
constexpr int kAskName = 1;
constexpr int kAskNext = 2;
constexpr int kAskFormat = 4;

constexpr size_t kAnswerSize = 2048;

using Oid = std::vector<int>;

// Asks `question` of the node `oid`.
std::optional<std::vector<char>> Ask(int question, const Oid& oid) {
  Oid name = {CTL_SYSCTL, question};
  name.insert(name.end(), oid.begin(), oid.end());
  std::vector<char> answer(kAnswerSize);
  size_t length = answer.size();
  if (sysctl(name.data(), static_cast<u_int>(name.size()), answer.data(), &length, nullptr, 0) !=
      0) {
    return std::nullopt;
  }
  answer.resize(length);
  return answer;
}

// A string parameter's node answers with the greatest length, in decimal.
size_t MaxLength(const Oid& oid) {
  char text[32] = {};
  size_t length = sizeof(text) - 1;
  if (sysctl(oid.data(), static_cast<u_int>(oid.size()), text, &length, nullptr, 0) != 0) return 0;
  return strtoul(text, nullptr, 10);
}

// What `meta` and `env` announce is never lowered while there are jails; this is
// what jail_set(2) goes by. Beyond it, it fails so late that the jail it was
// making stays half made for good.
size_t MaxMetadata(size_t announced) {
  uint32_t allowed = 0;
  size_t length = sizeof(allowed);
  if (sysctlbyname("security.jail.meta_maxbufsize", &allowed, &length, nullptr, 0) != 0) {
    return announced;
  }
  return std::min<size_t>(announced, allowed);
}

// Nothing for a node that went away with its module while it was looked at.
std::optional<JailParameter> Describe(const Oid& oid) {
  const auto name = Ask(kAskName, oid);
  const auto format = Ask(kAskFormat, oid);
  if (!name || !format) return std::nullopt;
  auto parameter = ParseJailParameter(*name, *format);
  if (parameter && (parameter->kind & CTLTYPE) == CTLTYPE_STRING) {
    parameter->max_length = MaxLength(oid);
    if (parameter->format == "A,keyvalue") {
      parameter->max_length = MaxMetadata(parameter->max_length);
    }
  }
  return parameter;
}

Napi::Value JailParameters(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int root[CTL_MAXNAME];
  size_t root_length = CTL_MAXNAME;
  if (sysctlnametomib(kJailParameterRoot, root, &root_length) != 0) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }
  Napi::Array list = Napi::Array::New(env);
  uint32_t count = 0;
  Oid oid(root, root + root_length);
  for (;;) {
    const auto next = Ask(kAskNext, oid);
    if (!next) {
      // The last node of the whole tree.
      if (errno == ENOENT) break;
      ThrowSystemError(env, errno, "sysctl");
      return {};
    }
    Oid following(next->size() / sizeof(int));
    memcpy(following.data(), next->data(), following.size() * sizeof(int));
    if (following.size() <= root_length ||
        memcmp(following.data(), root, root_length * sizeof(int)) != 0)
      break;
    oid = std::move(following);
    const auto parameter = Describe(oid);
    if (!parameter) continue;
    Napi::Object record = Napi::Object::New(env);
    record.Set("name", Napi::String::New(env, parameter->name));
    record.Set("kind", Napi::Number::New(env, parameter->kind));
    record.Set("format", Napi::String::New(env, parameter->format));
    record.Set("maxLength", Napi::Number::New(env, static_cast<double>(parameter->max_length)));
    list.Set(count++, record);
  }
  return list;
}

}  // namespace

void AddJailParameters(Napi::Env env, Napi::Object exports) {
  AddFunction<JailParameters>(env, exports, "jailParameters");
}
