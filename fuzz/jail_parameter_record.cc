// Any bytes as the name and the format of a node below security.jail.param.

#include "../native/jail_parameter_record.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const auto name = input.ConsumeBytes<char>(input.ConsumeIntegralInRange<size_t>(0, 2048));
  const auto format = input.ConsumeRemainingBytes<char>();
  const auto parameter = ParseJailParameter(name, format);
  if (!parameter) return 0;
  if (parameter->name.size() + sizeof(kJailParameterRoot) > name.size() ||
      parameter->name.find('\0') != std::string::npos ||
      parameter->format.size() + sizeof(parameter->kind) > format.size() ||
      parameter->format.find('\0') != std::string::npos) {
    abort();
  }
  return 0;
}
