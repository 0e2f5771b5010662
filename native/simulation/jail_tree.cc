#include "jail_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/event.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "descriptor_table.h"
#include "events.h"
#include "jail_parameters.h"
#include "processes.h"

namespace simulation {

namespace {

constexpr char kDescriptorName[] = "jail";

struct State {
  // By number.
  std::map<int, std::unique_ptr<Prison>> prisons;
  Prison* current = nullptr;
  int last_id = 0;
  int last_dead_id = 0;
  std::vector<std::unique_ptr<JailDescriptor>> descriptors;
};

std::mutex tree_mutex;

std::unique_ptr<Prison> MakeHost() {
  auto host = std::make_unique<Prison>();
  host->enforce_statfs = 0;
  host->children_max = kMaxJid;
  host->persist = true;
  host->osreldate = Osreldate();
  host->osrelease = Osrelease();
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) == 0) host->hostname = name;
  for (const JailParameter& parameter : JailParameters()) {
    std::string text = parameter.name;
    if (!text.starts_with("allow.")) continue;
    if (text.back() == '.') text.pop_back();
    host->allow[text] = text != "allow.unprivileged_parent_tampering";
  }
  return host;
}

State& Tree() {
  static auto& state = *[] {
    auto* made = new State();
    made->current = (made->prisons[0] = MakeHost()).get();
    return made;
  }();
  return state;
}

bool SameFile(int fd, const JailDescriptor& descriptor) {
  struct stat status;
  return fd >= 0 && fstat(fd, &status) == 0 && status.st_dev == descriptor.device &&
         status.st_ino == descriptor.inode;
}

// A process that has ended and been waited for is in no jail.
void ForgetEnded(std::set<pid_t>* processes) {
  ReapClosed();
  std::erase_if(*processes, [](pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; });
}

}  // namespace

bool IsChild(const Prison* of, const Prison* prison) {
  for (const Prison* above = prison->parent; above != nullptr; above = above->parent) {
    if (above == of) return true;
  }
  return false;
}

bool IsPrivileged(Prison* current) {
  return geteuid() == 0 && (current->parent == nullptr || current->allow["allow.suser"]);
}

// Takes no memory and no lock: a child asks too, before it executes its program.
bool HasDirectoryOpen() {
  const int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (list < 0) return false;
  alignas(dirent64) char entries[4096];
  bool found = false;
  for (long length;
       !found && (length = syscall(SYS_getdents64, list, entries, sizeof(entries))) > 0;) {
    for (long at = 0; !found && at < length;) {
      const auto* entry = reinterpret_cast<const dirent64*>(&entries[at]);
      at += entry->d_reclen;
      if (entry->d_name[0] == '.') continue;
      const int fd = atoi(entry->d_name);
      struct stat status;
      found = fd != list && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
    }
  }
  close(list);
  return found;
}

std::string NameSeenFrom(const Prison* of, const Prison* prison) {
  if (of == prison) return "0";
  return of->parent == nullptr ? prison->name : prison->name.substr(of->name.size() + 1);
}

std::string PathSeenFrom(const Prison* of, const Prison* prison) {
  if (of->path == "/" || prison->path.compare(0, of->path.size(), of->path) != 0) {
    return prison->path;
  }
  const std::string rest = prison->path.substr(of->path.size());
  return rest.empty() ? "/" : rest;
}

JailTree::JailTree() : lock_(tree_mutex) {
  NoticeClosed();
  Settle();
}

JailTree::~JailTree() {
  // What the call that looked at the tree has set.
  const int error = errno;
  lock_.unlock();
  for (const Event& event : events_) {
    PostEvent(event.filter, static_cast<uintptr_t>(event.ident), event.note, event.data,
              event.note == NOTE_JAIL_REMOVE);
  }
  errno = error;
}

Prison* JailTree::Current() { return Tree().current; }

std::vector<Prison*> JailTree::All() {
  std::vector<Prison*> all;
  for (const auto& [id, prison] : Tree().prisons) all.push_back(prison.get());
  return all;
}

Prison* JailTree::FindById(int id) {
  const auto found = Tree().prisons.find(id);
  return found == Tree().prisons.end() ? nullptr : found->second.get();
}

Prison* JailTree::FindChild(Prison* of, int id) {
  Prison* prison = FindById(id);
  return prison != nullptr && IsChild(of, prison) ? prison : nullptr;
}

Prison* JailTree::FindName(Prison* of, const std::string& name) {
  Prison* dying = nullptr;
  for (Prison* prison : Descendants(of)) {
    if (NameSeenFrom(of, prison) != name) continue;
    if (prison->alive) return prison;
    dying = prison;
  }
  return dying;
}

std::vector<Prison*> JailTree::Descendants(Prison* of) {
  std::vector<Prison*> found;
  for (const auto& [id, prison] : Tree().prisons) {
    if (IsChild(of, prison.get())) found.push_back(prison.get());
  }
  return found;
}

int JailTree::NextId() {
  State& state = Tree();
  for (int tried = 0; tried < kMaxJid; tried++) {
    state.last_id = state.last_id % kMaxJid + 1;
    if (!state.prisons.contains(state.last_id)) return state.last_id;
  }
  return 0;
}

int JailTree::NextDeadId() {
  State& state = Tree();
  for (int tried = 0; tried < kMaxJid; tried++) {
    state.last_dead_id = state.last_dead_id <= 1 ? kMaxJid : state.last_dead_id - 1;
    if (!state.prisons.contains(state.last_dead_id)) return state.last_dead_id;
  }
  return 0;
}

Prison* JailTree::Create(Prison* parent, int id) {
  State& state = Tree();
  const auto taken = state.prisons.find(id);
  if (taken != state.prisons.end()) {
    // The number of a dying jail: that one gets another.
    auto node = state.prisons.extract(taken);
    node.key() = NextDeadId();
    node.mapped()->id = node.key();
    state.prisons.insert(std::move(node));
  }
  auto prison = std::make_unique<Prison>();
  prison->id = id;
  prison->parent = parent;
  prison->securelevel = parent->securelevel;
  prison->osreldate = parent->osreldate;
  prison->osrelease = parent->osrelease;
  prison->devfs_ruleset = parent->devfs_ruleset;
  prison->path = state.current->path;
  for (const auto& [name, allowed] : parent->allow) {
    const bool by_default = name == "allow.set_hostname" || name == "allow.reserved_ports" ||
                            name == "allow.unprivileged_proc_debug" || name == "allow.suser";
    prison->allow[name] = by_default && allowed;
  }
  return (state.prisons[id] = std::move(prison)).get();
}

void JailTree::Discard(Prison* prison) { Tree().prisons.erase(prison->id); }

void JailTree::Remove(Prison* prison) {
  if (!prison->alive) return;
  std::vector<Prison*> doomed = Descendants(prison);
  doomed.push_back(prison);
  for (Prison* each : doomed) {
    if (!each->alive) continue;
    each->alive = false;
    each->persist = false;
    Post(each, NOTE_JAIL_REMOVE, 0);
    for (const auto& descriptor : Tree().descriptors) {
      if (descriptor->prison == each) descriptor->prison = nullptr;
    }
    for (const pid_t pid : each->processes) kill(pid, SIGKILL);
  }
  Settle();
}

void JailTree::Release(Prison* prison) {
  if (prison->parent == nullptr || !prison->alive || prison->persist) return;
  ForgetEnded(&prison->processes);
  if (prison->processes.empty() && Descendants(prison).empty()) Remove(prison);
}

void JailTree::Attach(Prison* prison) {
  Prison* before = Current();
  before->processes.erase(getpid());
  Tree().current = prison;
  Join(prison, getpid());
  Release(before);
}

void JailTree::Join(Prison* prison, pid_t pid) {
  prison->processes.insert(pid);
  Post(prison, NOTE_JAIL_ATTACH, pid);
}

int JailTree::Open(Prison* prison, bool owning) {
  const int fd = memfd_create(kDescriptorName, 0);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) return -1;
  auto descriptor = std::make_unique<JailDescriptor>();
  descriptor->owning = owning;
  descriptor->privileged = geteuid() == 0;
  descriptor->prison = prison;
  descriptor->device = status.st_dev;
  descriptor->inode = status.st_ino;
  descriptor->fd = fd;
  Tree().descriptors.push_back(std::move(descriptor));
  return fd;
}

JailDescriptor* JailTree::Find(int fd) {
  for (const auto& descriptor : Tree().descriptors) {
    if (SameFile(fd, *descriptor)) return descriptor.get();
  }
  struct stat status;
  errno = fstat(fd, &status) == 0 ? EINVAL : EBADF;
  return nullptr;
}

// The host closes without telling, and copies too: a descriptor is closed when
// none that is open leads to its file.
void JailTree::NoticeClosed() {
  auto& descriptors = Tree().descriptors;
  std::vector<std::unique_ptr<JailDescriptor>> closed;
  for (auto& descriptor : descriptors) {
    if (SameFile(descriptor->fd, *descriptor)) continue;
    const std::vector<int> open = OpenDescriptors();
    const auto copy =
        std::find_if(open.begin(), open.end(), [&](int fd) { return SameFile(fd, *descriptor); });
    if (copy != open.end()) {
      descriptor->fd = *copy;
    } else {
      closed.push_back(std::move(descriptor));
    }
  }
  std::erase(descriptors, nullptr);
  for (const auto& descriptor : closed) {
    if (descriptor->owning && descriptor->prison != nullptr) Remove(descriptor->prison);
  }
}

void JailTree::Settle() {
  State& state = Tree();
  // Children first: each holds its parent.
  for (bool changed = true; changed;) {
    changed = false;
    for (Prison* prison : All()) {
      if (prison->parent == nullptr || prison == state.current) continue;
      ForgetEnded(&prison->processes);
      if (prison->persist || !prison->processes.empty() || !Descendants(prison).empty()) continue;
      if (prison->alive) {
        // Its last process has ended.
        Remove(prison);
      } else {
        state.prisons.erase(prison->id);
      }
      changed = true;
      break;
    }
  }
}

std::optional<int> JidOfDescriptor(int fd) {
  JailTree tree;
  const JailDescriptor* descriptor = tree.Find(fd);
  if (descriptor == nullptr) return std::nullopt;
  return descriptor->prison == nullptr ? 0 : descriptor->prison->id;
}

void JailTree::Post(const Prison* prison, unsigned int note, int data) {
  events_.push_back({EVFILT_JAIL, prison->id, note, data});
  if (prison == Current()) events_.push_back({EVFILT_JAIL, 0, note, data});
  for (const auto& descriptor : Tree().descriptors) {
    if (descriptor->prison == prison) {
      events_.push_back({EVFILT_JAILDESC, descriptor->fd, note, data});
    }
  }
}

void OfferJailEvents() {
  OfferEvents(EVFILT_JAIL, [](uintptr_t ident) {
    JailTree tree;
    Prison* mine = tree.Current();
    const Prison* prison = ident == 0 ? mine : tree.FindChild(mine, static_cast<int>(ident));
    return prison != nullptr && prison->alive ? 0 : ENOENT;
  });
  OfferEvents(EVFILT_JAILDESC, [](uintptr_t ident) {
    JailTree tree;
    return tree.Find(static_cast<int>(ident)) == nullptr ? errno : 0;
  });
}

}  // namespace simulation
