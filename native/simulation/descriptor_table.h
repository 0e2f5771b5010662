// The simulated kernel's table of descriptors: capability rights, ioctl and
// fcntl limits, kept per number of the host's own table.
//
// A kernel is one for the whole process, so this is the one place with static
// mutable state; a mutex guards it.
//
// The host closes and reuses numbers without telling. A slot therefore
// remembers which file it was limited for; when the number names another file,
// the slot is a fresh one. The same file, closed and opened again under the
// same number, cannot be told apart unless the close was reported
// (`simulatedClose`).

#ifndef SIMULATION_DESCRIPTOR_TABLE_H_
#define SIMULATION_DESCRIPTOR_TABLE_H_

#include <sys/capsicum.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace simulation {

uint32_t NextVersion();

struct Slot {
  cap_rights_t rights;
  // Nothing: unlimited.
  std::optional<std::vector<cap_ioctl_t>> ioctls;
  uint32_t fcntls = CAP_FCNTL_ALL;
  // Another one for each slot, and after each change of one.
  uint32_t version = NextVersion();
};

// A locked view of the table.
class DescriptorTable {
 public:
  DescriptorTable();

  // The slot of an open descriptor; null when `fd` is not open.
  Slot* Find(int fd);
  // Fixes what connections of a listening socket, which has been found, had
  // before it was limited; true when slots may have moved for it.
  bool SettleConnections(int listening_fd);
  void Forget(int fd);
  // The version of the slot; 0 where there is none yet.
  uint32_t VersionOf(int fd) const;
  // What openat(2) does in a limited directory: `fd` starts with its slot.
  void Inherit(int fd, int directory);

 private:
  std::lock_guard<std::mutex> lock_;
};

// Every right that the simulated release knows.
cap_rights_t KnownRights();
bool Contains(const cap_rights_t& big, const cap_rights_t& little);
bool Has(const cap_rights_t& rights, uint64_t right);
// Whether a call on `fd` may go on: 0, EBADF or ENOTCAPABLE.
int CheckRight(int fd, uint64_t right);
bool InCapabilityMode();
// kern.osreldate of the simulated release.
int Osreldate();
// kern.osrelease of it.
std::string Osrelease();
// The numbers of all open descriptors.
std::vector<int> OpenDescriptors();

}  // namespace simulation

#endif  // SIMULATION_DESCRIPTOR_TABLE_H_
