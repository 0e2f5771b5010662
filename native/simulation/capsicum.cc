// Capsicum in user space, with the checks of the kernel in the kernel's order.

#include <sys/capsicum.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>

#include "descriptor_table.h"

namespace {

std::atomic<bool> capability_mode = false;

constexpr size_t kMaxIoctls = 256;

int Fail(int error) {
  errno = error;
  return -1;
}

bool IsValid(const cap_rights_t& rights) {
  constexpr uint64_t kIndexBits = 0x1FULL << 57;
  const cap_rights_t known = simulation::KnownRights();
  return (rights.cr_rights[0] & kIndexBits) == CAPRIGHT(0, 0) &&
         (rights.cr_rights[1] & kIndexBits) == CAPRIGHT(1, 0) &&
         simulation::Contains(known, rights);
}

using simulation::Has;

}  // namespace

bool simulation::InCapabilityMode() { return capability_mode; }

int cap_enter() {
  capability_mode = true;
  return 0;
}

int cap_getmode(unsigned int* mode) {
  *mode = capability_mode ? 1 : 0;
  return 0;
}

int cap_rights_limit(int fd, const cap_rights_t* rights) {
  if (!IsValid(*rights)) return Fail(EINVAL);
  simulation::DescriptorTable table;
  simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) return Fail(EBADF);
  if (!simulation::Contains(slot->rights, *rights)) return Fail(ENOTCAPABLE);
  if (table.SettleConnections(fd)) {
    slot = table.Find(fd);
    if (slot == nullptr) return Fail(EBADF);
  }
  slot->rights = *rights;
  slot->version = simulation::NextVersion();
  if (!simulation::Has(*rights, CAP_IOCTL)) slot->ioctls.emplace();
  if (!simulation::Has(*rights, CAP_FCNTL)) slot->fcntls = 0;
  return 0;
}

int cap_rights_get(int fd, cap_rights_t* rights) {
  simulation::DescriptorTable table;
  const simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) return Fail(EBADF);
  *rights = slot->rights;
  return 0;
}

int cap_ioctls_limit(int fd, const cap_ioctl_t* commands, size_t count) {
  if (count > kMaxIoctls) return Fail(EINVAL);
  simulation::DescriptorTable table;
  simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) return Fail(EBADF);
  if (slot->ioctls) {
    const auto& held = *slot->ioctls;
    if (count > held.size()) return Fail(ENOTCAPABLE);
    for (size_t i = 0; i < count; i++) {
      if (std::find(held.begin(), held.end(), commands[i]) == held.end()) return Fail(ENOTCAPABLE);
    }
  }
  slot->ioctls.emplace(commands, commands + count);
  slot->version = simulation::NextVersion();
  return 0;
}

ssize_t cap_ioctls_get(int fd, cap_ioctl_t* commands, size_t count) {
  simulation::DescriptorTable table;
  const simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) return Fail(EBADF);
  if (!slot->ioctls) return CAP_IOCTLS_ALL;
  if (commands != nullptr) {
    std::copy_n(slot->ioctls->begin(), std::min(count, slot->ioctls->size()), commands);
  }
  return static_cast<ssize_t>(slot->ioctls->size());
}

int cap_fcntls_limit(int fd, uint32_t mask) {
  if ((mask & ~static_cast<uint32_t>(CAP_FCNTL_ALL)) != 0) return Fail(EINVAL);
  simulation::DescriptorTable table;
  simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) return Fail(EBADF);
  if ((mask & ~slot->fcntls) != 0) return Fail(ENOTCAPABLE);
  slot->fcntls = mask;
  slot->version = simulation::NextVersion();
  return 0;
}

int cap_fcntls_get(int fd, uint32_t* mask) {
  simulation::DescriptorTable table;
  const simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) return Fail(EBADF);
  *mask = slot->fcntls;
  return 0;
}
