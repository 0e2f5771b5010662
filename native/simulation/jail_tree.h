// The simulated kernel's jails: the tree, who is in which, and the descriptors
// that stand for them.
//
// There is one tree for the whole process, as a kernel has one for the machine:
// after the table of descriptors this is the other place with static mutable
// state, and a mutex guards it. Other processes have trees of their own, so
// what one of them creates no other sees.

#ifndef SIMULATION_JAIL_TREE_H_
#define SIMULATION_JAIL_TREE_H_

#include <sys/types.h>

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace simulation {

constexpr int kMaxJid = 999999;

// One address family of a jail.
struct JailAddresses {
  // Restricted to its own list; not, if it has the parent's stack.
  bool restricted = false;
  bool source_selection = true;
  // Packed, in network order.
  std::string packed;
};

struct Prison {
  int id = 0;
  // Null only for the host.
  Prison* parent = nullptr;
  // In full, from the host's point of view; empty for the host.
  std::string name;
  std::string path = "/";
  bool alive = true;
  bool persist = false;
  bool own_host = true;
  bool vnet = false;
  int securelevel = -1;
  int osreldate = 0;
  std::string osrelease;
  int enforce_statfs = 2;
  int devfs_ruleset = 0;
  int children_max = 0;
  std::string hostname;
  std::string domainname;
  std::string hostuuid = "00000000-0000-0000-0000-000000000000";
  unsigned long hostid = 0;
  JailAddresses ip4;
  JailAddresses ip6;
  // "allow.*".
  std::map<std::string, bool> allow;
  // "sysvmsg" and its like: JAIL_SYS_*.
  std::map<std::string, int> systems;
  // "meta" and "env": lines of key=value.
  std::map<std::string, std::string> metadata;
  std::set<pid_t> processes;
};

struct JailDescriptor {
  bool owning = false;
  // Made by root: what is done through it is done with root's privilege.
  bool privileged = false;
  // Null once the jail is gone.
  Prison* prison = nullptr;
  // The file that stands for it, and where it was last seen open.
  dev_t device = 0;
  ino_t inode = 0;
  int fd = -1;
};

// A locked view of the tree. Making one first does what was due: closed
// descriptors are noticed, and dying jails without processes go.
//
// Events are told when the view goes, after the lock: the queues have one of
// their own, and ask the tree while they hold it.
class JailTree {
 public:
  JailTree();
  ~JailTree();
  JailTree(const JailTree&) = delete;

  // The jail this process is in.
  Prison* Current();
  bool IsJailed() { return Current()->parent != nullptr; }
  // Ordered by number, the host first.
  std::vector<Prison*> All();
  Prison* FindById(int id);
  Prison* FindChild(Prison* of, int id);
  // By the name as `of` sees it; a living jail before a dying one.
  Prison* FindName(Prison* of, const std::string& name);
  std::vector<Prison*> Descendants(Prison* of);

  // The next free number, or 0.
  int NextId();
  // A number for a dying jail whose own is wanted, counting from the end.
  int NextDeadId();
  Prison* Create(Prison* parent, int id);
  // Undoes Create() of a jail that nobody has seen.
  void Discard(Prison* prison);
  void Remove(Prison* prison);
  // Ends a jail that neither persists nor has processes or children.
  void Release(Prison* prison);
  // Moves this process into the jail.
  void Attach(Prison* prison);
  // Counts a child of this process among the jail's. What the child starts in
  // turn is a process of the host, which nobody tells of.
  void Join(Prison* prison, pid_t pid);

  // A new descriptor of the jail, or -1 with errno set.
  int Open(Prison* prison, bool owning);
  // Null with errno EBADF or EINVAL when `fd` is no jail descriptor.
  JailDescriptor* Find(int fd);

  // Tells those who watch the jail or a descriptor of it: NOTE_JAIL_*, and the
  // process or jail concerned.
  void Post(const Prison* prison, unsigned int note, int data);

 private:
  void NoticeClosed();
  void Settle();

  struct Event {
    short filter;
    int ident;
    unsigned int note;
    int data;
  };

  std::unique_lock<std::mutex> lock_;
  std::vector<Event> events_;
};

bool IsChild(const Prison* of, const Prison* prison);
// Whether this process is root, and its jail leaves that its privilege.
bool IsPrivileged(Prison* current);
// Open directories lead out of a jail, so nobody enters one with them.
bool HasDirectoryOpen();
// The name and the path of a jail as `of` sees them.
std::string NameSeenFrom(const Prison* of, const Prison* prison);
std::string PathSeenFrom(const Prison* of, const Prison* prison);

// The jail of a descriptor (0 if it is gone); nothing for any other descriptor.
std::optional<int> JidOfDescriptor(int fd);

// Lets jails be watched.
void OfferJailEvents();

}  // namespace simulation

#endif  // SIMULATION_JAIL_TREE_H_
