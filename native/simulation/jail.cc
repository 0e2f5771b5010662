// jail_set(2), jail_get(2), jail_attach(2) and jail_remove(2) in user space, with
// the checks of the kernel in the kernel's order, and its words where it has
// some. What it checks without a word is refused without one here.

#include <sys/jail.h>

#include <dirent.h>
#include <limits.h>
#include <sys/capsicum.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "../jail_descriptor_calls.h"
#include "descriptor_table.h"
#include "jail_parameters.h"
#include "jail_tree.h"

namespace {

using simulation::IsPrivileged;
using simulation::JailAddresses;
using simulation::JailDescriptor;
using simulation::JailTree;
using simulation::Prison;

constexpr unsigned int kMaxVectors = 1024;
constexpr size_t kMaxTotal = 64 * 1024;
constexpr size_t kHostNameLength = 256;
constexpr size_t kUuidLength = 64;
constexpr size_t kReleaseLength = 32;
constexpr size_t kMaxAddresses = 255;
constexpr int kDescriptorFlags = JAIL_USE_DESC | JAIL_AT_DESC | JAIL_GET_DESC | JAIL_OWN_DESC;

int Fail(int error) {
  errno = error;
  return -1;
}

// "a.b" from "a.nob", "b" from "nob"; nothing from a name without "no".
std::string Affirmative(const std::string& name) {
  const size_t last = name.rfind('.') + 1;
  return name.compare(last, 2, "no") == 0 ? name.substr(0, last) + name.substr(last + 2)
                                          : std::string();
}

std::string Negative(const std::string& name) {
  const size_t last = name.rfind('.') + 1;
  return name.substr(0, last) + "no" + name.substr(last);
}

struct Option {
  std::string name;
  struct iovec* value;
  bool seen = false;
};

// The parameters of one call.
class Options {
 public:
  // Nothing but EINVAL can be wrong with the list itself.
  bool Read(struct iovec* vectors, unsigned int count) {
    if (count % 2 != 0 || count > kMaxVectors) return false;
    size_t total = 0;
    for (unsigned int i = 0; i < count; i += 2) {
      const auto* name = static_cast<const char*>(vectors[i].iov_base);
      const size_t length = vectors[i].iov_len;
      if (length == 0 || name[length - 1] != '\0') return false;
      total += sizeof(Option) + length + vectors[i + 1].iov_len;
      if (total > kMaxTotal) return false;
      Option option = {std::string(name), &vectors[i + 1]};
      // Of several, and of "a" and "noa", the last one counts.
      std::erase_if(list_, [&](const Option& other) {
        return other.name == option.name || Affirmative(other.name) == option.name ||
               other.name == Affirmative(option.name);
      });
      list_.push_back(option);
    }
    return true;
  }

  Option* Find(const std::string& name) {
    for (Option& option : list_) {
      if (option.name != name) continue;
      option.seen = true;
      return &option;
    }
    return nullptr;
  }

  // Fills `into`: 0, ENOENT when it is not given, EINVAL for another size.
  template <typename Value>
  int Copy(const std::string& name, Value* into) {
    const Option* option = Find(name);
    if (option == nullptr) return ENOENT;
    if (option->value->iov_len != sizeof(Value)) return EINVAL;
    memcpy(into, option->value->iov_base, sizeof(Value));
    return 0;
  }

  // The same for a string of at most `limit` bytes, its null included.
  int CopyString(const std::string& name, size_t limit, std::string* into) {
    const Option* option = Find(name);
    if (option == nullptr) return ENOENT;
    const size_t length = option->value->iov_len;
    const auto* text = static_cast<const char*>(option->value->iov_base);
    if (length == 0 || text[length - 1] != '\0') return EINVAL;
    if (length > limit) return ENAMETOOLONG;
    *into = text;
    return 0;
  }

  // Returns the first option that nothing has asked for.
  const Option* FirstUnknown() const {
    for (const Option& option : list_) {
      if (!option.seen && option.name != "errmsg") return &option;
    }
    return nullptr;
  }

  void Message(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    const Option* option = Find("errmsg");
    if (option == nullptr || option->value->iov_len == 0) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(static_cast<char*>(option->value->iov_base), option->value->iov_len, format,
              arguments);
    va_end(arguments);
  }

  std::vector<Option>& list() { return list_; }

 private:
  std::vector<Option> list_;
};

// The jail of a descriptor; null with errno set and, for the caller, said.
JailDescriptor* FindDescriptor(JailTree& tree, Options& options, int fd) {
  JailDescriptor* descriptor = tree.Find(fd);
  if (descriptor != nullptr && descriptor->prison != nullptr) return descriptor;
  if (descriptor != nullptr) errno = ENOENT;
  const int error = errno;
  options.Message(error == ENOENT ? "descriptor to dead jail" : "not a jail descriptor");
  errno = error;
  return nullptr;
}

// Whether every address of `packed` is in `allowed`.
bool Contains(const std::string& allowed, const std::string& packed, size_t size) {
  for (size_t at = 0; at < packed.size(); at += size) {
    bool found = false;
    for (size_t other = 0; other < allowed.size(); other += size) {
      found = found || packed.compare(at, size, allowed, other, size) == 0;
    }
    if (!found) return false;
  }
  return true;
}

bool Shares(const std::string& a, const std::string& b, size_t size) {
  for (size_t at = 0; at < a.size(); at += size) {
    if (Contains(b, a.substr(at, size), size)) return true;
  }
  return false;
}

// One address family of jail_set(2): the names, and how they are kept.
struct Family {
  const char* name;
  const char* label;
  size_t size;
  JailAddresses Prison::* addresses;
};

constexpr Family kFamilies[] = {
    {"ip4", "IPv4", 4, &Prison::ip4},
    {"ip6", "IPv6", 16, &Prison::ip6},
};

// What jail_set(2) is to do with one family.
struct Wanted {
  bool changes = false;
  bool restricted = false;
  bool has_list = false;
  std::string packed;
};

int ReadFamily(Options& options, const Family& family, Wanted* wanted) {
  int system = 0;
  const int error = options.Copy(family.name, &system);
  if (error == EINVAL) return Fail(EINVAL);
  if (error == 0) {
    if (system < JAIL_SYS_DISABLE || system > JAIL_SYS_INHERIT) return Fail(EINVAL);
    wanted->changes = true;
    wanted->restricted = system != JAIL_SYS_INHERIT;
  }
  return 0;
}

int ReadAddresses(Options& options, const Family& family, Wanted* wanted) {
  const Option* option = options.Find(std::string(family.name) + ".addr");
  if (option == nullptr) return 0;
  const size_t length = option->value->iov_len;
  if (length % family.size != 0) return Fail(EINVAL);
  wanted->changes = wanted->restricted = wanted->has_list = true;
  if (length == 0) return 0;
  wanted->packed.assign(static_cast<const char*>(option->value->iov_base), length);
  if (length / family.size > kMaxAddresses) {
    options.Message("too many %s addresses", family.label);
    return Fail(EINVAL);
  }
  const std::string zero(family.size, '\0');
  const std::string broadcast(family.size, '\xff');
  for (size_t at = 0; at < length; at += family.size) {
    const std::string address = wanted->packed.substr(at, family.size);
    if (address == zero || (family.size == 4 && address == broadcast)) return Fail(EINVAL);
    if (Contains(wanted->packed.substr(0, at), address, family.size)) return Fail(EINVAL);
  }
  // All but the first, which is the one to connect from, are sorted.
  std::vector<std::string> rest;
  for (size_t at = family.size; at < length; at += family.size) {
    rest.push_back(wanted->packed.substr(at, family.size));
  }
  std::sort(rest.begin(), rest.end());
  wanted->packed.resize(family.size);
  for (const std::string& address : rest) wanted->packed += address;
  return 0;
}

// Whether the kernel compares the addresses of `other`: below a jail with a list
// of its own it looks no further, nor below the jail in question.
bool IsCompared(const Prison* other, const Prison* prison, const Family& family) {
  if (other->parent == nullptr || other == prison || !other->alive || other->vnet) return false;
  for (const Prison* above = other->parent; above->parent != nullptr; above = above->parent) {
    if (above == prison || !above->alive || (above->*family.addresses).restricted) return false;
  }
  return true;
}

// Two jails may share an address only if neither has another.
bool Clashes(JailTree& tree, const Prison* prison, const Family& family, const Wanted& wanted) {
  for (const Prison* other : tree.All()) {
    if (!IsCompared(other, prison, family)) continue;
    const std::string& packed = (other->*family.addresses).packed;
    if (wanted.packed.size() == family.size && packed.size() == family.size) continue;
    if (Shares(wanted.packed, packed, family.size)) return true;
  }
  return false;
}

// The lines of `metadata` without the one of `key`.
std::string WithoutKey(const std::string& metadata, const std::string& key) {
  std::string rest;
  for (size_t at = 0; at < metadata.size();) {
    const size_t end = std::min(metadata.find('\n', at), metadata.size());
    const std::string line = metadata.substr(at, end - at);
    if (!line.starts_with(key + "=")) rest += rest.empty() ? line : "\n" + line;
    at = end + 1;
  }
  return rest;
}

// "meta" for "meta" and "meta.key"; nothing for any other name.
const char* MetadataOf(const std::string& name) {
  for (const char* base : {"meta", "env"}) {
    if (simulation::Osreldate() < 1500000) break;
    if (name == base || name.starts_with(std::string(base) + ".")) return base;
  }
  return nullptr;
}

// Works on a copy, which takes effect when everything is in order.
int ReadMetadata(Options& options, std::map<std::string, std::string>* metadata) {
  for (Option& option : options.list()) {
    if (MetadataOf(option.name) != nullptr) option.seen = true;
  }
  for (Option& option : options.list()) {
    const char* base = MetadataOf(option.name);
    if (base == nullptr) continue;
    const size_t length = option.value->iov_len;
    const auto* text = static_cast<const char*>(option.value->iov_base);
    if (length > simulation::kMetaLength) return Fail(EFBIG);
    if (length > 0 && text[length - 1] != '\0') return Fail(EINVAL);
    std::string& whole = (*metadata)[base];
    if (option.name == base) {
      whole = length == 0 ? "" : text;
    } else {
      const std::string key = option.name.substr(strlen(base) + 1);
      if (key.empty()) return Fail(EINVAL);
      const std::string rest = WithoutKey(whole, key);
      // A key that changes goes to the front.
      whole = length == 0 ? rest : key + "=" + text + (rest.empty() ? "" : "\n" + rest);
    }
    if (whole.size() + 1 > simulation::kMetaLength) return Fail(EFBIG);
  }
  return 0;
}

// The directory a jail shall have, from the host's point of view.
int ResolvePath(Prison* current, const std::string& path, std::string* resolved) {
  const std::string inside = current->path == "/" ? path : current->path + "/" + path;
  char buffer[PATH_MAX];
  if (realpath(inside.c_str(), buffer) == nullptr) return -1;
  struct stat status;
  if (stat(buffer, &status) != 0) return -1;
  if (!S_ISDIR(status.st_mode)) return Fail(ENOTDIR);
  *resolved = buffer;
  return 0;
}

int Attach(JailTree& tree, Prison* prison) {
  if (simulation::HasDirectoryOpen()) return Fail(EPERM);
  tree.Attach(prison);
  return 0;
}

// Carries a restriction of `prison` down to every jail below it.
void Restrict(JailTree& tree, Prison* prison, const std::function<void(Prison*)>& apply) {
  for (Prison* below : tree.Descendants(prison)) apply(below);
}

int LevelsBetween(const Prison* above, const Prison* below) {
  int levels = 0;
  for (; below != above; below = below->parent) levels++;
  return levels;
}

int Set(JailTree& tree, Options& options, int flags) {
  const int operation = flags & (JAIL_CREATE | JAIL_UPDATE);
  if (operation == 0) {
    options.Message("no valid operation (create or update)");
    return Fail(EINVAL);
  }

  Prison* mine = tree.Current();
  int descriptor_in = -1;
  int error = options.Copy("desc", &descriptor_in);
  if (error == EINVAL) return Fail(EINVAL);
  if (error == ENOENT && (flags & kDescriptorFlags) != 0) {
    options.Message("missing desc");
    return Fail(ENOENT);
  }
  if (error == 0) {
    if ((flags & kDescriptorFlags) == 0) {
      options.Message("unexpected desc");
      return Fail(EINVAL);
    }
    if ((flags & JAIL_AT_DESC) != 0) {
      const JailDescriptor* descriptor = FindDescriptor(tree, options, descriptor_in);
      if (descriptor == nullptr) return -1;
      mine = descriptor->prison;
      if ((flags & JAIL_CREATE) != 0 && mine->children_max == 0) return Fail(EPERM);
    }
    if ((flags & JAIL_OWN_DESC) != 0 && !IsPrivileged(tree.Current())) return Fail(EPERM);
  }
  if ((flags & JAIL_USE_DESC) == 0 && !IsPrivileged(tree.Current())) return Fail(EPERM);

  // What is asked for, checked on its own.
  int jid = 0, securelevel = 0, children_max = 0, enforce_statfs = 0, devfs_ruleset = 0;
  if (options.Copy("jid", &jid) == EINVAL) return Fail(EINVAL);
  const auto given = [&](const char* name, int* value) {
    const int result = options.Copy(name, value);
    if (result == EINVAL) error = EINVAL;
    return result == 0;
  };
  error = 0;
  const bool has_securelevel = given("securelevel", &securelevel);
  const bool has_children_max = given("children.max", &children_max);
  const bool has_enforce_statfs = given("enforce_statfs", &enforce_statfs);
  const bool has_devfs_ruleset = given("devfs_ruleset", &devfs_ruleset);
  if (error != 0) return Fail(error);
  if (has_enforce_statfs && (enforce_statfs < 0 || enforce_statfs > 2)) return Fail(EINVAL);

  // A boolean is its presence; a value is not looked at.
  const auto flag = [&](const std::string& name, bool* value) {
    if (options.Find(name) != nullptr) return *value = true;
    if (options.Find(Negative(name)) == nullptr) return false;
    *value = false;
    return true;
  };
  bool persist = false;
  const bool has_persist = flag("persist", &persist);
  bool selections[2] = {};
  const bool has_selection[2] = {flag("ip4.saddrsel", &selections[0]),
                                 flag("ip6.saddrsel", &selections[1])};

  int host = -1, vnet = -1;
  const bool has_host = given("host", &host);
  const bool has_vnet = given("vnet", &vnet);
  if (error != 0) return Fail(error);
  for (const auto& [has, value] : {std::pair(has_host, host), std::pair(has_vnet, vnet)}) {
    if (has && value != JAIL_SYS_NEW && value != JAIL_SYS_INHERIT) return Fail(EINVAL);
  }
  Wanted wanted[2];
  for (int i = 0; i < 2; i++) {
    if (ReadFamily(options, kFamilies[i], &wanted[i]) != 0) return -1;
  }
  if ((flags & (JAIL_CREATE | JAIL_ATTACH)) == JAIL_CREATE && !persist) {
    options.Message("new jail must persist or attach");
    return Fail(EINVAL);
  }
  if ((flags & JAIL_UPDATE) != 0) {
    const char* fixed = has_vnet            ? "vnet"
                        : wanted[0].changes ? "ip4"
                        : wanted[1].changes ? "ip6"
                                            : nullptr;
    if (fixed != nullptr) {
      options.Message("%s cannot be changed after creation", fixed);
      return Fail(EINVAL);
    }
  }
  std::map<std::string, bool> allow;
  for (const auto& [name, unused] : tree.FindById(0)->allow) {
    bool value = false;
    if (flag(name, &value)) allow[name] = value;
  }

  std::string name, hostname, domainname, hostuuid, osrelease, path;
  bool has_name = false, has_hostname = false, has_domainname = false, has_hostuuid = false;
  struct Text {
    const char* name;
    size_t limit;
    std::string* value;
    bool* has;
  };
  for (const Text& text : {Text{"name", kHostNameLength, &name, &has_name},
                           Text{"host.hostname", kHostNameLength, &hostname, &has_hostname},
                           Text{"host.domainname", kHostNameLength, &domainname, &has_domainname},
                           Text{"host.hostuuid", kUuidLength, &hostuuid, &has_hostuuid}}) {
    const int result = options.CopyString(text.name, text.limit, text.value);
    if (result != 0 && result != ENOENT) return Fail(result);
    *text.has = result == 0;
  }
  unsigned long hostid = 0;
  const int hostid_result = options.Copy("host.hostid", &hostid);
  if (hostid_result == EINVAL) return Fail(EINVAL);
  const bool has_hostid = hostid_result == 0;
  const bool sets_host = has_hostname || has_domainname || has_hostuuid || has_hostid;
  for (int i = 0; i < 2; i++) {
    if (ReadAddresses(options, kFamilies[i], &wanted[i]) != 0) return -1;
  }
  if (has_vnet && (wanted[0].changes || wanted[1].changes)) {
    options.Message("vnet jails cannot have IP address restrictions");
    return Fail(EINVAL);
  }

  error = options.CopyString("osrelease", INT_MAX, &osrelease);
  if (error == EINVAL) return Fail(EINVAL);
  const bool has_osrelease = error == 0;
  int osreldate = 0;
  error = options.Copy("osreldate", &osreldate);
  if (error == EINVAL) return Fail(EINVAL);
  const bool has_osreldate = error == 0;
  const Option* path_option = options.Find("path");
  if ((flags & JAIL_UPDATE) != 0 && (has_osrelease || has_osreldate || path_option != nullptr)) {
    options.Message("%s cannot be changed after creation", has_osrelease   ? "osrelease"
                                                           : has_osreldate ? "osreldate"
                                                                           : "path");
    return Fail(EINVAL);
  }
  if (has_osrelease && osrelease.size() + 1 >= kReleaseLength) {
    options.Message("osrelease string must be 1-%zu bytes long", kReleaseLength - 1);
    return Fail(ENAMETOOLONG);
  }
  if (has_osreldate && osreldate == 0) {
    options.Message("osreldate cannot be 0");
    return Fail(EINVAL);
  }
  if (path_option != nullptr) {
    const int result = options.CopyString("path", INT_MAX, &path);
    if (result != 0) return Fail(result);
    if (ResolvePath(tree.Current(), path, &path) != 0) return -1;
  }

  // Which jail it is, or under which it shall be.
  if (operation == JAIL_CREATE && jid == 0 && has_name) {
    const std::string last = name.substr(name.rfind('.') + 1);
    char* end = nullptr;
    const unsigned long number = strtoul(last.c_str(), &end, 10);
    if (*end == '\0') jid = static_cast<int>(number);
  }
  // What the limits of the jail are compared with.
  Prison* reference = mine;
  Prison* prison = nullptr;
  if (!reference->alive) return Fail(EAGAIN);
  if ((flags & JAIL_USE_DESC) != 0) {
    const JailDescriptor* descriptor = FindDescriptor(tree, options, descriptor_in);
    if (descriptor == nullptr) return -1;
    // The privilege is that of whoever made the descriptor, not the caller's.
    if (!descriptor->privileged) return Fail(EPERM);
    prison = descriptor->prison;
    if (operation == JAIL_CREATE) {
      options.Message("jail %d already exists", prison->id);
      return Fail(EEXIST);
    }
    if (jid != 0 && jid != prison->id) {
      options.Message("cannot change jid");
      return Fail(EINVAL);
    }
    jid = prison->id;
  } else if (jid != 0) {
    if (jid < 0) {
      options.Message("negative jid");
      return Fail(EINVAL);
    }
    Prison* found = tree.FindById(jid);
    if (found != nullptr && found->alive) prison = found;
    if (operation == JAIL_CREATE && prison != nullptr) {
      options.Message("jail %d already exists", jid);
      return Fail(EEXIST);
    }
    if (prison == nullptr ? operation == JAIL_UPDATE : !simulation::IsChild(mine, prison)) {
      options.Message("jail %d not found", jid);
      return Fail(ENOENT);
    }
  }
  std::string last = name;
  if (has_name) {
    const size_t dot = name.rfind('.');
    if (dot != std::string::npos) {
      const std::string above = name.substr(0, dot);
      if (prison != nullptr) {
        if (reference->name != above) {
          options.Message("cannot change jail's parent");
          return Fail(EINVAL);
        }
      } else {
        reference = tree.FindName(mine, above);
        if (reference == nullptr || !reference->alive) {
          options.Message(reference == nullptr ? "jail \"%s\" not found" : "jail \"%s\" is dying",
                          above.c_str());
          return Fail(ENOENT);
        }
      }
      last = name.substr(dot + 1);
    }
    if (!last.empty()) {
      for (Prison* sibling : tree.Descendants(reference)) {
        if (sibling->parent != reference || sibling == prison || !sibling->alive ||
            simulation::NameSeenFrom(reference, sibling) != last) {
          continue;
        }
        if (operation == JAIL_CREATE || prison != nullptr) {
          options.Message("jail \"%s\" already exists", name.c_str());
          return Fail(EEXIST);
        }
        prison = sibling;
        break;
      }
      if (prison == nullptr && operation == JAIL_UPDATE) {
        options.Message("jail \"%s\" not found", name.c_str());
        return Fail(ENOENT);
      }
    }
  } else if (operation == JAIL_UPDATE && prison == nullptr) {
    options.Message("update specified no jail");
    return Fail(ENOENT);
  }

  const bool created = prison == nullptr;
  if (created) {
    for (Prison* above = mine; above != nullptr; above = above->parent) {
      if (static_cast<int>(tree.Descendants(above).size()) >= above->children_max) {
        options.Message("prison limit exceeded");
        return Fail(EPERM);
      }
    }
    if (jid == 0) jid = tree.NextId();
    if (jid == 0) {
      options.Message("no available jail IDs");
      return Fail(EAGAIN);
    }
    prison = tree.Create(reference, jid);
    if (!has_name) last.clear();
  } else {
    for (int i = 0; i < 2; i++) {
      if (!wanted[i].changes) continue;
      if (prison->vnet) {
        options.Message("vnet jails cannot have IP address restrictions");
        return Fail(EINVAL);
      }
      if (!(prison->*kFamilies[i].addresses).restricted) {
        options.Message("%s cannot be changed after creation", kFamilies[i].name);
        return Fail(EINVAL);
      }
    }
  }
  const auto refuse = [&](int refusal) {
    if (created) tree.Discard(prison);
    return Fail(refusal);
  };

  // Nobody gets more than the reference has.
  if (has_securelevel && securelevel < reference->securelevel) return refuse(EPERM);
  if (has_children_max && children_max >= reference->children_max) return refuse(EPERM);
  if (has_enforce_statfs && enforce_statfs < reference->enforce_statfs) return refuse(EPERM);
  if (has_devfs_ruleset) {
    if (devfs_ruleset < 0 || devfs_ruleset > 65535) return refuse(EINVAL);
    if (tree.IsJailed()) {
      if (devfs_ruleset > 0 && devfs_ruleset != reference->devfs_ruleset) return refuse(EPERM);
      devfs_ruleset = reference->devfs_ruleset;
    }
  }
  for (int i = 0; i < 2; i++) {
    if (wanted[i].packed.empty()) continue;
    const JailAddresses& owned = reference->*kFamilies[i].addresses;
    if (owned.restricted && !Contains(owned.packed, wanted[i].packed, kFamilies[i].size)) {
      return refuse(EPERM);
    }
    if (Clashes(tree, prison, kFamilies[i], wanted[i])) {
      options.Message("%s addresses clash", kFamilies[i].label);
      return refuse(EADDRINUSE);
    }
  }
  if (has_name || created) {
    if (last.empty()) {
      last = std::to_string(jid);
    } else {
      char* end = nullptr;
      const unsigned long number = strtoul(last.c_str(), &end, 10);
      if (*end == '\0' &&
          (number != static_cast<unsigned long>(jid) || last[0] < '1' || last[0] > '9')) {
        options.Message("name cannot be numeric (unless it is the jid)");
        return refuse(EINVAL);
      }
    }
    const size_t prefix = reference->parent == nullptr ? 0 : reference->name.size() + 1;
    if (prefix + last.size() + 1 > kHostNameLength) {
      return refuse(ENAMETOOLONG);
    }
  }
  for (const auto& [key, value] : allow) {
    const bool free =
        key == "allow.unprivileged_proc_debug" || key == "allow.unprivileged_parent_tampering";
    if (value && !free && !reference->allow[key]) return refuse(EPERM);
  }

  // What modules check.
  std::map<std::string, int> systems;
  for (const char* system : {"sysvmsg", "sysvsem", "sysvshm"}) {
    int value = 0;
    const int result = options.Copy(system, &value);
    if (result == EINVAL ||
        (result == 0 && (value < JAIL_SYS_DISABLE || value > JAIL_SYS_INHERIT))) {
      return refuse(EINVAL);
    }
    // The host has them all; another parent may have given them up.
    const Prison* parent = prison->parent;
    const bool given =
        parent->parent == nullptr ||
        (parent->systems.count(system) != 0 && parent->systems.at(system) != JAIL_SYS_DISABLE);
    if (result == ENOENT && allow.count("allow.sysvipc") != 0) {
      // Not said, each follows the permission that was there before them.
      systems[system] = allow.at("allow.sysvipc") && given ? JAIL_SYS_INHERIT : JAIL_SYS_DISABLE;
    }
    if (result == 0 && value != JAIL_SYS_DISABLE && !given) return refuse(EPERM);
    if (result == 0) systems[system] = value;
  }
  std::map<std::string, std::string> metadata = prison->metadata;
  const int metadata_error = ReadMetadata(options, &metadata) == 0 ? 0 : errno;
  if (metadata_error != 0 && created) return refuse(metadata_error);
  if (const Option* unknown = options.FirstUnknown()) {
    options.Message("unknown parameter: %s", unknown->name.c_str());
    return refuse(EINVAL);
  }
  const int fd = (flags & (JAIL_GET_DESC | JAIL_OWN_DESC)) != 0
                     ? tree.Open(prison, (flags & JAIL_OWN_DESC) != 0)
                     : -1;
  if (fd < 0 && (flags & (JAIL_GET_DESC | JAIL_OWN_DESC)) != 0) return refuse(errno);

  // From here on nothing is refused but metadata and the attachment.
  for (int i = 0; i < 2; i++) {
    JailAddresses& addresses = prison->*kFamilies[i].addresses;
    if (created && vnet != JAIL_SYS_NEW) {
      addresses.restricted = true;
      if (wanted[i].changes && !wanted[i].restricted) {
        addresses.restricted = (reference->*kFamilies[i].addresses).restricted;
        addresses.packed = (reference->*kFamilies[i].addresses).packed;
      }
    }
    if (has_selection[i]) addresses.source_selection = selections[i];
    if (!wanted[i].changes || !wanted[i].restricted) continue;
    addresses.restricted = true;
    addresses.packed = wanted[i].packed;
    const size_t size = kFamilies[i].size;
    Restrict(tree, prison, [&](Prison* below) {
      JailAddresses& theirs = below->*kFamilies[i].addresses;
      std::string kept;
      for (size_t at = 0; at < theirs.packed.size(); at += size) {
        const std::string address = theirs.packed.substr(at, size);
        if (Contains(addresses.packed, address, size)) kept += address;
      }
      theirs.packed = kept;
    });
  }
  if (has_securelevel) {
    prison->securelevel = securelevel;
    Restrict(tree, prison, [&](Prison* below) {
      below->securelevel = std::max(below->securelevel, securelevel);
    });
  }
  if (has_children_max) {
    prison->children_max = children_max;
    Restrict(tree, prison, [&](Prison* below) {
      const int most = std::max(0, children_max - LevelsBetween(prison, below));
      below->children_max = std::min(below->children_max, most);
    });
  }
  if (has_enforce_statfs) {
    prison->enforce_statfs = enforce_statfs;
    Restrict(tree, prison, [&](Prison* below) {
      below->enforce_statfs = std::max(below->enforce_statfs, enforce_statfs);
    });
  }
  if (has_devfs_ruleset) {
    prison->devfs_ruleset = devfs_ruleset;
    Restrict(tree, prison, [&](Prison* below) { below->devfs_ruleset = devfs_ruleset; });
  }
  if (has_name || created) {
    const std::string before = prison->name;
    prison->name = reference->parent == nullptr ? last : reference->name + "." + last;
    Restrict(tree, prison, [&](Prison* below) {
      below->name = prison->name + below->name.substr(before.size());
    });
  }
  if (path_option != nullptr) prison->path = path;
  if (has_osrelease) prison->osrelease = osrelease;
  if (has_osreldate) prison->osreldate = osreldate;
  if (has_vnet && created) prison->vnet = vnet == JAIL_SYS_NEW;
  if (has_host && host == JAIL_SYS_INHERIT && !sets_host) {
    prison->own_host = false;
    prison->hostname = prison->parent->hostname;
    prison->domainname = prison->parent->domainname;
    prison->hostuuid = prison->parent->hostuuid;
    prison->hostid = prison->parent->hostid;
  } else if (has_host || sets_host) {
    prison->own_host = true;
    if (has_hostname) prison->hostname = hostname;
    if (has_domainname) prison->domainname = domainname;
    if (has_hostuuid) prison->hostuuid = hostuuid;
    if (has_hostid) prison->hostid = hostid;
  }
  for (const auto& [key, value] : allow) {
    prison->allow[key] = value;
    if (!value) Restrict(tree, prison, [&](Prison* below) { below->allow[key] = false; });
  }
  for (const auto& [key, value] : systems) {
    prison->systems[key] = value;
    if (value != JAIL_SYS_DISABLE) continue;
    Restrict(tree, prison, [&](Prison* below) { below->systems[key] = JAIL_SYS_DISABLE; });
  }
  if (has_persist) prison->persist = persist;
  if (metadata_error != 0) {
    // Metadata comes last, and undoes nothing.
    tree.Post(prison, NOTE_JAIL_SET, 0);
    return refuse(metadata_error);
  }
  prison->metadata = std::move(metadata);

  if (created) {
    tree.Post(reference, NOTE_JAIL_CHILD, jid);
  } else {
    tree.Post(prison, NOTE_JAIL_SET, 0);
  }
  if ((flags & JAIL_ATTACH) != 0 && Attach(tree, prison) != 0) {
    const int refusal = errno;
    options.Message("attach failed");
    if (fd >= 0) close(fd);
    if (created) tree.Remove(prison);
    return Fail(refusal);
  }
  if (fd >= 0) memcpy(options.Find("desc")->value->iov_base, &fd, sizeof(fd));
  tree.Release(prison);
  return jid;
}

// Writes one answer of jail_get(2): 0, or EINVAL where the room is not right. No
// room at all asks for the size.
int Give(Options& options, const std::string& name, const void* data, size_t size) {
  const Option* option = options.Find(name);
  if (option == nullptr) return 0;
  struct iovec& value = *option->value;
  if (value.iov_base != nullptr) {
    if (value.iov_len != size) return EINVAL;
    memcpy(value.iov_base, data, size);
  }
  value.iov_len = size;
  return 0;
}

int GiveInt(Options& options, const std::string& name, int data) {
  return Give(options, name, &data, sizeof(data));
}

// A list or a string may have more room than it needs.
int GivePart(Options& options, const std::string& name, const void* data, size_t size) {
  const Option* option = options.Find(name);
  if (option == nullptr) return 0;
  struct iovec& value = *option->value;
  if (value.iov_base != nullptr) {
    if (value.iov_len < size) return EINVAL;
    memcpy(value.iov_base, data, size);
  }
  value.iov_len = size;
  return 0;
}

int GiveString(Options& options, const std::string& name, const std::string& text) {
  return GivePart(options, name, text.c_str(), text.size() + 1);
}

int GiveBool(Options& options, const std::string& name, bool value) {
  const int error = GiveInt(options, name, value ? 1 : 0);
  return error != 0 ? error : GiveInt(options, Negative(name), value ? 0 : 1);
}

// `meta` and `env` do not tell their size: without room they are refused.
int GiveMetadata(Options& options, const Prison* prison) {
  for (Option& option : options.list()) {
    const char* base = MetadataOf(option.name);
    if (base == nullptr) continue;
    const auto found = prison->metadata.find(base);
    const std::string whole = found == prison->metadata.end() ? "" : found->second;
    std::string answer = whole;
    if (option.name != base) {
      const std::string start = option.name.substr(strlen(base) + 1) + "=";
      const size_t at = whole.starts_with(start) ? 0 : whole.find("\n" + start);
      if (at == std::string::npos) {
        // A key that is not there has no value, not even an empty one.
        option.seen = true;
        option.value->iov_len = 0;
        continue;
      }
      const size_t begin = whole.find('=', at) + 1;
      answer = whole.substr(begin, whole.find('\n', begin) - begin);
    }
    if (option.value->iov_len < answer.size() + 1) return EINVAL;
    option.seen = true;
    memcpy(option.value->iov_base, answer.c_str(), answer.size() + 1);
    option.value->iov_len = answer.size() + 1;
  }
  return 0;
}

int GiveAll(JailTree& tree, Options& options, const Prison* mine, const Prison* prison) {
  const auto is_restricted = [](const JailAddresses& addresses) {
    // The kernel keeps one flag for "disable" and "new", and calls it "disable".
    return addresses.restricted ? JAIL_SYS_DISABLE : JAIL_SYS_INHERIT;
  };
  const auto system = [&](const char* name) {
    const auto found = prison->systems.find(name);
    return found == prison->systems.end() ? JAIL_SYS_DISABLE : found->second;
  };
  const int children = static_cast<int>(tree.Descendants(const_cast<Prison*>(prison)).size());
  int errors[] = {
      GiveInt(options, "jid", prison->id),
      GiveInt(options, "parent", prison->parent == mine ? 0 : prison->parent->id),
      GiveString(options, "name", simulation::NameSeenFrom(mine, prison)),
      GiveInt(options, "cpuset.id", 1),
      GiveString(options, "path", simulation::PathSeenFrom(mine, prison)),
      GivePart(options, "ip4.addr", prison->ip4.packed.data(), prison->ip4.packed.size()),
      GivePart(options, "ip6.addr", prison->ip6.packed.data(), prison->ip6.packed.size()),
      GiveInt(options, "securelevel", prison->securelevel),
      GiveInt(options, "children.cur", children),
      GiveInt(options, "children.max", prison->children_max),
      GiveString(options, "host.hostname", prison->hostname),
      GiveString(options, "host.domainname", prison->domainname),
      GiveString(options, "host.hostuuid", prison->hostuuid),
      Give(options, "host.hostid", &prison->hostid, sizeof(prison->hostid)),
      GiveInt(options, "enforce_statfs", prison->enforce_statfs),
      GiveInt(options, "devfs_ruleset", prison->devfs_ruleset),
      GiveBool(options, "persist", prison->persist),
      GiveBool(options, "ip4.saddrsel", prison->ip4.source_selection),
      GiveBool(options, "ip6.saddrsel", prison->ip6.source_selection),
      GiveInt(options, "host", prison->own_host ? JAIL_SYS_NEW : JAIL_SYS_INHERIT),
      GiveInt(options, "vnet", prison->vnet ? JAIL_SYS_NEW : JAIL_SYS_INHERIT),
      GiveInt(options, "ip4", is_restricted(prison->ip4)),
      GiveInt(options, "ip6", is_restricted(prison->ip6)),
      GiveBool(options, "dying", !prison->alive),
      GiveInt(options, "osreldate", prison->osreldate),
      GiveString(options, "osrelease", prison->osrelease),
      GiveInt(options, "sysvmsg", system("sysvmsg")),
      GiveInt(options, "sysvsem", system("sysvsem")),
      GiveInt(options, "sysvshm", system("sysvshm")),
      GiveMetadata(options, prison),
  };
  for (const int error : errors) {
    if (error != 0) return Fail(error);
  }
  for (const auto& [name, allowed] : prison->allow) {
    if (GiveBool(options, name, allowed) != 0) return Fail(EINVAL);
  }
  if (const Option* unknown = options.FirstUnknown()) {
    options.Message("unknown parameter: %s", unknown->name.c_str());
    return Fail(EINVAL);
  }
  return 0;
}

// The jail that jail_get(2) is asked about; null with errno set.
Prison* Wanted(JailTree& tree, Options& options, Prison* mine, int flags) {
  const auto refuse = [](int error) -> Prison* {
    errno = error;
    return nullptr;
  };
  const bool dying = (flags & JAIL_DYING) != 0;
  int jid = 0;
  int error = options.Copy("lastjid", &jid);
  if (error == EINVAL) return refuse(EINVAL);
  if (error == 0) {
    for (Prison* prison : tree.All()) {
      if (prison->id > jid && (dying || prison->alive) && simulation::IsChild(mine, prison)) {
        return prison;
      }
    }
    options.Message("no jail after %d", jid);
    return refuse(ENOENT);
  }
  error = options.Copy("jid", &jid);
  if (error == EINVAL) return refuse(EINVAL);
  if (error == 0 && jid != 0) {
    Prison* prison = tree.FindChild(mine, jid);
    if (prison == nullptr) {
      options.Message("jail %d not found", jid);
      return refuse(ENOENT);
    }
    if (prison->alive || dying) return prison;
    options.Message("jail %d is dying", jid);
    return refuse(ENOENT);
  }
  std::string name;
  error = options.CopyString("name", INT_MAX, &name);
  if (error == EINVAL) return refuse(EINVAL);
  if (error == 0) {
    Prison* prison = tree.FindName(mine, name);
    if (prison != nullptr && (prison->alive || dying)) return prison;
    options.Message(prison == nullptr ? "jail \"%s\" not found" : "jail \"%s\" is dying",
                    name.c_str());
    return refuse(ENOENT);
  }
  options.Message("no jail specified");
  return refuse(ENOENT);
}

int Get(JailTree& tree, Options& options, int flags) {
  Prison* mine = tree.Current();
  Prison* prison = nullptr;
  int descriptor_in = -1;
  const int error = options.Copy("desc", &descriptor_in);
  if (error == EINVAL) return Fail(EINVAL);
  if (error == ENOENT && (flags & (kDescriptorFlags & ~JAIL_USE_DESC)) != 0) {
    options.Message("missing desc");
    return Fail(ENOENT);
  }
  if (error == 0) {
    if ((flags & kDescriptorFlags) == 0) {
      options.Message("unexpected desc");
      return Fail(EINVAL);
    }
    if ((flags & (JAIL_USE_DESC | JAIL_AT_DESC)) != 0) {
      const JailDescriptor* descriptor = FindDescriptor(tree, options, descriptor_in);
      if (descriptor == nullptr) return -1;
      ((flags & JAIL_USE_DESC) != 0 ? prison : mine) = descriptor->prison;
    }
    if ((flags & JAIL_OWN_DESC) != 0 && !IsPrivileged(tree.Current())) return Fail(EPERM);
  }
  const bool by_descriptor = prison != nullptr;
  if (prison == nullptr) prison = Wanted(tree, options, mine, flags);
  if (prison == nullptr) return -1;
  // The key of an iteration has been read, and is no answer.
  if (GiveAll(tree, options, mine, prison) != 0) return -1;
  if (!by_descriptor && (flags & (JAIL_GET_DESC | JAIL_OWN_DESC)) != 0) {
    const int fd = tree.Open(prison, (flags & JAIL_OWN_DESC) != 0);
    if (fd < 0) return -1;
    memcpy(options.Find("desc")->value->iov_base, &fd, sizeof(fd));
  }
  return prison->id;
}

bool AreValid(int flags, int mask) {
  if (simulation::Osreldate() < 1500000) mask &= ~kDescriptorFlags;
  constexpr int kEither = JAIL_USE_DESC | JAIL_AT_DESC;
  return (flags & ~mask) == 0 && (flags & kEither) != kEither;
}

}  // namespace

int jail_set(struct iovec* parameters, unsigned int count, int flags) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  if (count % 2 != 0) return Fail(EINVAL);
  JailTree tree;
  if ((flags & (JAIL_CREATE | JAIL_AT_DESC)) == JAIL_CREATE && tree.Current()->children_max == 0) {
    return Fail(EPERM);
  }
  Options options;
  if (!AreValid(flags, JAIL_SET_MASK) || !options.Read(parameters, count)) return Fail(EINVAL);
  return Set(tree, options, flags);
}

int jail_get(struct iovec* parameters, unsigned int count, int flags) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  JailTree tree;
  Options options;
  if (!AreValid(flags, JAIL_GET_MASK) || !options.Read(parameters, count)) return Fail(EINVAL);
  return Get(tree, options, flags);
}

int jail_attach(int jid) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  JailTree tree;
  if (!IsPrivileged(tree.Current())) return Fail(EPERM);
  Prison* prison = tree.FindChild(tree.Current(), jid);
  if (prison == nullptr || !prison->alive) return Fail(EINVAL);
  return Attach(tree, prison);
}

int jail_remove(int jid) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  JailTree tree;
  if (!IsPrivileged(tree.Current())) return Fail(EPERM);
  Prison* prison = tree.FindChild(tree.Current(), jid);
  if (prison == nullptr) return Fail(EINVAL);
  tree.Remove(prison);
  return 0;
}

// jail_remove_jd(2).
int JailRemoveDescriptor(int fd) {
  if (simulation::Osreldate() < 1500000) return Fail(ENOSYS);
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  JailTree tree;
  const JailDescriptor* descriptor = tree.Find(fd);
  if (descriptor == nullptr) return -1;
  if (descriptor->prison == nullptr) return Fail(ENOENT);
  if (!descriptor->privileged) return Fail(EPERM);
  tree.Remove(descriptor->prison);
  return 0;
}
