// Any numbers of JavaScript's as ioctls, and what a descriptor keeps of them.

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/capsicum.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "../native/exact_integer.h"
#include "../native/simulation/descriptor_table.h"

namespace {

// Every bit pattern: infinities, negative zero and what is no number.
double ConsumeDouble(FuzzedDataProvider* input) {
  if (input->ConsumeBool()) return input->ConsumeIntegral<int64_t>();
  const auto bits = input->ConsumeIntegral<uint64_t>();
  double value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

template <typename Integer>
void CheckExact(double value) {
  const auto integer = ExactInteger<Integer>(value);
  if (integer && static_cast<double>(*integer) != value) abort();
  // By another way: what an integer of 64 bits holds, small enough to be exact.
  const bool whole = std::fabs(value) < 9007199254740992.0 && std::nearbyint(value) == value;
  const bool fits = whole && std::in_range<Integer>(static_cast<int64_t>(value));
  if (integer.has_value() != fits) abort();
}

std::vector<cap_ioctl_t> ConsumeCommands(FuzzedDataProvider* input) {
  std::vector<cap_ioctl_t> commands;
  while (input->remaining_bytes() > 0 && input->ConsumeIntegral<uint8_t>() != 0) {
    const double value = ConsumeDouble(input);
    CheckExact<int32_t>(value);
    CheckExact<uint32_t>(value);
    CheckExact<int64_t>(value);
    CheckExact<unsigned long>(value);
    if (const auto command = ExactInteger<unsigned long>(value)) commands.push_back(*command);
  }
  return commands;
}

using Commands = std::set<cap_ioctl_t>;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const int fd = dup(STDERR_FILENO);
  if (fd < 0) abort();
  Commands held;
  bool limited = false;
  while (input.remaining_bytes() > 0) {
    const auto commands = ConsumeCommands(&input);
    const Commands wanted(commands.begin(), commands.end());
    if (cap_ioctls_limit(fd, commands.data(), commands.size()) == 0) {
      for (const cap_ioctl_t command : wanted) {
        if (limited && !held.contains(command)) abort();
      }
      held = wanted;
      limited = true;
    }
    // Asks with room for what there is, and for less.
    for (const size_t room : {size_t{256}, commands.size() / 2}) {
      std::vector<cap_ioctl_t> kept(room);
      const ssize_t count = cap_ioctls_get(fd, kept.data(), kept.size());
      if (!limited) {
        if (count != CAP_IOCTLS_ALL) abort();
        continue;
      }
      if (count < static_cast<ssize_t>(held.size()) || count > 256) abort();
      kept.resize(std::min(room, static_cast<size_t>(count)));
      for (const cap_ioctl_t command : kept) {
        if (!held.contains(command)) abort();
      }
    }
  }
  close(fd);
  // The next input gets the same number for the same file.
  simulation::DescriptorTable().Forget(fd);
  return 0;
}
