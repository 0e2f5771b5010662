#include "descriptor_table.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>

namespace simulation {

namespace {

struct Entry {
  dev_t device;
  ino_t inode;
  mode_t type;
  Slot slot;
};

std::mutex table_mutex;

std::unordered_map<int, Entry>& Table() {
  static auto& table = *new std::unordered_map<int, Entry>();
  return table;
}

struct SocketName {
  bool listening = false;
  sockaddr_storage local = {};
  socklen_t length = sizeof(sockaddr_storage);
};

std::optional<SocketName> NameOf(int fd) {
  SocketName name;
  int listening = 0;
  socklen_t length = sizeof(listening);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&name.local), &name.length) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0) {
    return std::nullopt;
  }
  name.listening = listening != 0;
  return name;
}

// Whether a connection with this local name came from a listener with that
// one: the same family and port (the first four bytes of an internet address;
// the listener may be bound to every address), or the same path.
bool CameFrom(const SocketName& connection, const SocketName& listener) {
  if (connection.local.ss_family != listener.local.ss_family) return false;
  if (listener.local.ss_family == AF_UNIX) {
    return connection.length == listener.length &&
           memcmp(&connection.local, &listener.local, listener.length) == 0;
  }
  return memcmp(&connection.local, &listener.local, 4) == 0;
}

// What accept(2) gives a new connection: a full copy of its listener's slot.
std::optional<Slot> InheritedSlot(int fd) {
  const auto connection = NameOf(fd);
  if (!connection || connection->listening) return std::nullopt;
  for (const auto& [other_fd, entry] : Table()) {
    if (other_fd == fd || entry.type != S_IFSOCK) continue;
    struct stat status;
    if (fstat(other_fd, &status) != 0 || status.st_ino != entry.inode) continue;
    const auto listener = NameOf(other_fd);
    if (listener && listener->listening && CameFrom(*connection, *listener)) return entry.slot;
  }
  return std::nullopt;
}

Slot FreshSlot() { return Slot{KnownRights(), std::nullopt}; }

}  // namespace

DescriptorTable::DescriptorTable() : lock_(table_mutex) {}

Slot* DescriptorTable::Find(int fd) {
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    Table().erase(fd);
    return nullptr;
  }
  const mode_t type = status.st_mode & S_IFMT;
  const auto found = Table().find(fd);
  if (found != Table().end()) {
    const Entry& entry = found->second;
    if (entry.device == status.st_dev && entry.inode == status.st_ino && entry.type == type) {
      return &found->second.slot;
    }
    Table().erase(found);
  }
  const std::optional<Slot> inherited = type == S_IFSOCK ? InheritedSlot(fd) : std::nullopt;
  Entry entry = {status.st_dev, status.st_ino, type, inherited.value_or(FreshSlot())};
  return &Table().emplace(fd, std::move(entry)).first->second.slot;
}

bool DescriptorTable::SettleConnections(int listening_fd) {
  const auto found = Table().find(listening_fd);
  if (found == Table().end() || found->second.type != S_IFSOCK) return false;
  const auto listener = NameOf(listening_fd);
  if (!listener || !listener->listening) return false;
  for (const int fd : OpenDescriptors()) {
    if (fd != listening_fd) Find(fd);
  }
  return true;
}

void DescriptorTable::Forget(int fd) { Table().erase(fd); }

uint32_t DescriptorTable::VersionOf(int fd) const {
  const auto found = Table().find(fd);
  return found == Table().end() ? 0 : found->second.slot.version;
}

void DescriptorTable::Inherit(int fd, int directory) {
  const Slot* from = Find(directory);
  if (from == nullptr) return;
  const Slot inherited = *from;
  Forget(fd);
  if (Slot* slot = Find(fd)) *slot = inherited;
}

uint32_t NextVersion() {
  static std::atomic<uint32_t> last = 0;
  return ++last;
}

int Osreldate() {
  // For tests of what an older release lacks.
  const char* chosen = getenv("FREEBSD_CAPSULE_SIMULATED_OSRELDATE");
  const int osreldate = chosen == nullptr ? 0 : atoi(chosen);
  return osreldate >= 1400000 ? osreldate : 1501000;
}

std::string Osrelease() {
  const int osreldate = Osreldate();
  return std::to_string(osreldate / 100000) + "." + std::to_string(osreldate / 1000 % 100) +
         "-RELEASE";
}

cap_rights_t KnownRights() {
  cap_rights_t rights = {{CAP_ALL0, CAP_ALL1}};
  if (Osreldate() < 1500000) {
    rights.cr_rights[0] &= ~(CAP_FCHROOT & ~CAPRIGHT(0, 0));
    rights.cr_rights[1] &= ~((CAP_INOTIFY_ADD | CAP_INOTIFY_RM) & ~CAPRIGHT(1, 0));
  }
  return rights;
}

bool Contains(const cap_rights_t& big, const cap_rights_t& little) {
  return (little.cr_rights[0] & ~big.cr_rights[0]) == 0 &&
         (little.cr_rights[1] & ~big.cr_rights[1]) == 0;
}

bool Has(const cap_rights_t& rights, uint64_t right) {
  const size_t index = (right & CAPRIGHT(1, 0)) != 0 ? 1 : 0;
  return (rights.cr_rights[index] & right) == right;
}

int CheckRight(int fd, uint64_t right) {
  DescriptorTable table;
  const Slot* slot = table.Find(fd);
  if (slot == nullptr) return EBADF;
  return Has(slot->rights, right) ? 0 : ENOTCAPABLE;
}

std::vector<int> OpenDescriptors() {
  std::vector<int> descriptors;
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return descriptors;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = atoi(entry->d_name);
    if (fd != dirfd(directory)) descriptors.push_back(fd);
  }
  closedir(directory);
  return descriptors;
}

}  // namespace simulation
