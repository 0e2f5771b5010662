// The jail parameters of the simulated kernel: those of a 15.1 GENERIC kernel
// without the linux, zfs and vmm modules.

#ifndef SIMULATION_JAIL_PARAMETERS_H_
#define SIMULATION_JAIL_PARAMETERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simulation {

struct JailParameter {
  const char* name;
  // CTLTYPE_* and CTLFLAG_*.
  uint32_t kind;
  const char* format;
  // Of a string: its greatest length, null included.
  size_t size;
};

// Those that the simulated release has, in the order of the kernel's own list.
const std::vector<JailParameter>& JailParameters();

// The greatest length of `meta` and of `env`: security.jail.meta_maxbufsize.
constexpr size_t kMetaLength = 4096;

}  // namespace simulation

#endif  // SIMULATION_JAIL_PARAMETERS_H_
