// Any parameters, packed and unpacked as the addon does, for jails of the
// simulated kernel.

#include <fuzzer/FuzzedDataProvider.h>

#include "jail_calls.h"

namespace {

constexpr const char* kNames[] = {
    "jid", "lastjid", "parent", "name", "path", "desc", "errmsg", "persist", "nopersist", "dying",
    "securelevel", "children.max", "children.cur", "enforce_statfs", "devfs_ruleset", "osrelease",
    "osreldate", "cpuset.id", "host", "host.hostname", "host.domainname", "host.hostuuid",
    "host.hostid", "vnet", "ip4", "ip6", "ip4.addr", "ip6.addr", "ip4.saddrsel", "ip4.nosaddrsel",
    "allow.raw_sockets", "allow.noraw_sockets", "allow.mount", "sysvmsg", "meta", "env", "meta.key",
    "env.key",
};

std::string ConsumeName(FuzzedDataProvider* input) {
  if (input->ConsumeIntegralInRange(0, 9) > 0) return input->PickValueInArray(kNames);
  // The addon passes on no null byte within a name.
  std::string name = input->ConsumeRandomLengthString(300);
  return name.substr(0, name.find('\0'));
}

std::vector<uint8_t> ConsumeValue(FuzzedDataProvider* input) {
  switch (input->ConsumeIntegralInRange(0, 4)) {
    case 0:
      return {};
    case 1: {
      const int number = input->ConsumeIntegralInRange(-2, 4);
      const auto* bytes = reinterpret_cast<const uint8_t*>(&number);
      return {bytes, bytes + sizeof(number)};
    }
    case 2: {
      const std::string text = input->ConsumeRandomLengthString(300);
      std::vector<uint8_t> value(text.begin(), text.end());
      value.push_back(0);
      return value;
    }
    case 3:
      // Room to read into, more than most need.
      return std::vector<uint8_t>(input->ConsumeIntegralInRange(0, 70000));
    default:
      return input->ConsumeBytes<uint8_t>(input->ConsumeIntegralInRange(0, 64));
  }
}

JailCall ConsumeCall(FuzzedDataProvider* input) {
  JailCall call;
  while (input->remaining_bytes() > 0 && input->ConsumeIntegralInRange(0, 7) > 0) {
    call.Add(ConsumeName(input), ConsumeValue(input));
  }
  return call;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  while (input.remaining_bytes() > 0) {
    const bool creates = input.ConsumeBool();
    JailCall call = ConsumeCall(&input);
    // Not JAIL_ATTACH: the target itself would be in the jail, for good.
    const int flags = input.ConsumeIntegral<int>() & ~JAIL_ATTACH;
    const int descriptor = input.ConsumeIntegralInRange(-1, 3);
    if (creates) {
      if (input.ConsumeBool()) call.AddFlag("persist");
      call.Set(input.ConsumeBool() ? JAIL_CREATE : flags, descriptor);
    } else {
      call.Get(input.ConsumeBool() ? 0 : flags, descriptor);
    }
  }
  RemoveAllJails();
  return 0;
}
