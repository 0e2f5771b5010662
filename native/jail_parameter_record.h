// A jail parameter as the kernel describes it, read without a system call.

#ifndef NATIVE_JAIL_PARAMETER_RECORD_H_
#define NATIVE_JAIL_PARAMETER_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

constexpr char kJailParameterRoot[] = "security.jail.param";

struct JailParameter {
  std::string name;
  uint32_t kind = 0;
  std::string format;
  // Of a string, its terminating null included; 0 otherwise.
  size_t max_length = 0;
};

// From what a node below kJailParameterRoot answers about its name and its
// format; nothing where that is no parameter.
std::optional<JailParameter> ParseJailParameter(const std::vector<char>& name,
                                                const std::vector<char>& format);

#endif  // NATIVE_JAIL_PARAMETER_RECORD_H_
