#include "jail_parameter_record.h"

#include <algorithm>
#include <cstring>

namespace {

// Not strnlen(3): an answer without bytes has no data.
std::string Text(const char* data, size_t size) {
  return {data, std::find(data, data + size, '\0')};
}

}  // namespace

std::optional<JailParameter> ParseJailParameter(const std::vector<char>& name,
                                                const std::vector<char>& format) {
  JailParameter parameter;
  if (format.size() < sizeof(parameter.kind)) return std::nullopt;
  parameter.name = Text(name.data(), name.size());
  // The root, and the dot that follows it in place of its null.
  if (parameter.name.size() <= sizeof(kJailParameterRoot)) return std::nullopt;
  parameter.name.erase(0, sizeof(kJailParameterRoot));
  // A parameter that has others below it ("ip4", over "ip4.addr") is a node
  // without a name of its own.
  if (parameter.name.back() == '.') parameter.name.pop_back();
  memcpy(&parameter.kind, format.data(), sizeof(parameter.kind));
  parameter.format =
      Text(format.data() + sizeof(parameter.kind), format.size() - sizeof(parameter.kind));
  return parameter;
}
