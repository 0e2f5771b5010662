// Any lists of addresses for a jail of the simulated kernel, and for a jail in
// it: what is kept is what was given, and the inner jail's is part of it.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "../native/descriptor_records.h"
#include "jail_calls.h"

namespace {

using Bytes = std::vector<uint8_t>;

constexpr struct {
  const char* list;
  size_t size;
} kFamilies[] = {{"ip4.addr", 4}, {"ip6.addr", 16}};

std::vector<Bytes> Split(const Bytes& packed, size_t size) {
  std::vector<Bytes> addresses;
  for (size_t at = 0; at < packed.size(); at += size) {
    addresses.emplace_back(packed.begin() + at, packed.begin() + at + size);
  }
  return addresses;
}

// Often addresses that differ in few bytes, so that some are the same.
Bytes ConsumeAddresses(FuzzedDataProvider* input, size_t size) {
  Bytes packed = input->ConsumeBytes<uint8_t>(input->ConsumeIntegralInRange<size_t>(0, 64));
  const size_t count = input->ConsumeIntegralInRange<size_t>(0, 300);
  for (size_t i = 0; i < count && input->remaining_bytes() > 0; i++) {
    packed.insert(packed.end(), size - 1, input->ConsumeIntegralInRange<uint8_t>(0, 1));
    packed.push_back(input->ConsumeIntegral<uint8_t>());
  }
  return packed;
}

using Lists = std::array<Bytes, 2>;

Lists Read(int jid) {
  Lists lists;
  JailCall call;
  call.AddInt("jid", jid);
  for (const auto& family : kFamilies) call.Add(family.list, Bytes(256 * family.size));
  if (call.Get(0) != jid) abort();
  for (size_t i = 0; i < lists.size(); i++) lists[i] = call.values[i + 1];
  return lists;
}

void CheckKept(const Bytes& given, const Bytes& kept, size_t size) {
  if (given.size() != kept.size()) abort();
  auto was = Split(given, size);
  auto is = Split(kept, size);
  // The first is the one to connect from.
  if (was.empty()) return;
  if (was[0] != is[0] || !std::is_sorted(is.begin() + 1, is.end())) abort();
  std::sort(was.begin(), was.end());
  std::sort(is.begin(), is.end());
  if (was != is || std::adjacent_find(is.begin(), is.end()) != is.end()) abort();
}

void CheckWithin(const Bytes& outer, const Bytes& inner, size_t size) {
  const auto allowed = Split(outer, size);
  for (const Bytes& address : Split(inner, size)) {
    if (std::find(allowed.begin(), allowed.end(), address) == allowed.end()) abort();
  }
}

// The text of an address as the inventory of descriptors writes it.
void CheckText(const Bytes& bytes) {
  sockaddr_storage address = {};
  std::copy_n(bytes.begin(), std::min(bytes.size(), sizeof(address)),
              reinterpret_cast<uint8_t*>(&address));
  const std::string text = AddressText(address);
  if (address.ss_family == AF_UNIX || text.empty()) return;
  if (text.find('\0') != std::string::npos || text.find(':') == std::string::npos) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  CheckText(input.ConsumeBytes<uint8_t>(input.ConsumeIntegralInRange<size_t>(0, 128)));
  Lists given;
  JailCall outer;
  outer.AddFlag("persist");
  outer.AddInt("children.max", 1);
  for (size_t i = 0; i < given.size(); i++) {
    given[i] = ConsumeAddresses(&input, kFamilies[i].size);
    if (!given[i].empty()) outer.Add(kFamilies[i].list, given[i]);
  }
  const int jid = outer.Set(JAIL_CREATE);
  if (jid < 0) return 0;
  const Lists kept = Read(jid);
  JailCall inner;
  inner.AddFlag("persist");
  const std::string name = std::to_string(jid) + ".inner";
  inner.Add("name", Bytes(name.c_str(), name.c_str() + name.size() + 1));
  for (size_t i = 0; i < given.size(); i++) {
    CheckKept(given[i], kept[i], kFamilies[i].size);
    const Bytes list = input.ConsumeBool() ? kept[i] : ConsumeAddresses(&input, kFamilies[i].size);
    if (!list.empty()) inner.Add(kFamilies[i].list, list);
  }
  const int inner_jid = inner.Set(JAIL_CREATE);
  // The outer one's lists shrink or change; the inner one's follow.
  JailCall change;
  change.AddInt("jid", jid);
  for (const auto& family : kFamilies) {
    const Bytes list = ConsumeAddresses(&input, family.size);
    if (!list.empty()) change.Add(family.list, list);
  }
  change.Set(JAIL_UPDATE);
  if (inner_jid >= 0) {
    const Lists outside = Read(jid);
    const Lists inside = Read(inner_jid);
    for (size_t i = 0; i < given.size(); i++) {
      CheckWithin(outside[i], inside[i], kFamilies[i].size);
    }
  }
  RemoveAllJails();
  return 0;
}
