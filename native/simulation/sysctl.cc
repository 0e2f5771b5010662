// The few sysctls that the binding reads.

#include <sys/sysctl.h>

#include <fcntl.h>
#include <sys/capsicum.h>
#include <sys/exec.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/user.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "descriptor_table.h"
#include "events.h"
#include "jail_parameters.h"
#include "jail_tree.h"
#include "processes.h"

namespace {

int Fail(int error) {
  errno = error;
  return -1;
}

int Answer(const void* data, size_t size, void* old, size_t* old_length) {
  if (old == nullptr) {
    *old_length = size;
    return 0;
  }
  if (*old_length < size) return Fail(ENOMEM);
  // An empty answer has no data, which memcpy(3) may not be given.
  if (size > 0) memcpy(old, data, size);
  *old_length = size;
  return 0;
}

// What /proc says a descriptor is, "anon_inode:[eventpoll]" for example.
std::string LinkText(int fd) {
  char text[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), text, sizeof(text));
  return length < 0 ? std::string() : std::string(text, static_cast<size_t>(length));
}

// A pipe has one inode for both ends, FreeBSD an address for each: the access
// mode tells the ends apart.
uint64_t PipeEnd(const struct stat& status, bool writes) {
  return static_cast<uint64_t>(status.st_ino) * 2 + (writes ? 1 : 0);
}

kinfo_file Describe(int fd, const struct stat& status) {
  kinfo_file record = {};
  record.kf_fd = fd;
  record.kf_type = KF_TYPE_UNKNOWN;
  const int mode = fcntl(fd, F_GETFL);
  const int access = mode & O_ACCMODE;
  record.kf_flags = (access != O_WRONLY ? KF_FLAG_READ : 0) |
                    (access != O_RDONLY ? KF_FLAG_WRITE : 0) |
                    ((mode & O_APPEND) != 0 ? KF_FLAG_APPEND : 0) |
                    ((mode & O_NONBLOCK) != 0 ? KF_FLAG_NONBLOCK : 0);
  // A socket has no path.
  const std::string text = S_ISSOCK(status.st_mode) ? std::string() : LinkText(fd);
  const auto vnode = [&](int vnode_type) {
    record.kf_type = KF_TYPE_VNODE;
    record.kf_vnode_type = vnode_type;
    strncpy(record.kf_path, text.c_str(), sizeof(record.kf_path) - 1);
  };
  // Which type of file a pidfd has is different from one Linux to the next.
  if (text == "anon_inode:[pidfd]") {
    record.kf_type = KF_TYPE_PROCDESC;
    record.kf_un.kf_proc.kf_pid = simulation::ProcessOf(fd).value_or(0);
    record.kf_structsize = static_cast<int>(offsetof(kinfo_file, kf_path) + 1);
    return record;
  }
  // Of the descriptors that have no file's path, a jail's is one in memory.
  const bool in_memory = text.rfind("/memfd:", 0) == 0;
  if (const auto jid = in_memory ? simulation::JidOfDescriptor(fd) : std::nullopt) {
    record.kf_type = KF_TYPE_JAILDESC;
    record.kf_un.kf_jail.kf_jid = *jid;
    record.kf_structsize = static_cast<int>(offsetof(kinfo_file, kf_path) + 1);
    return record;
  }
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      vnode(KF_VTYPE_VREG);
      break;
    case S_IFDIR:
      vnode(KF_VTYPE_VDIR);
      break;
    case S_IFBLK:
      vnode(KF_VTYPE_VBLK);
      break;
    case S_IFCHR:
      vnode(KF_VTYPE_VCHR);
      break;
    case S_IFIFO:
      if (text.rfind("pipe:", 0) == 0) {
        record.kf_type = KF_TYPE_PIPE;
        const bool writes = access == O_WRONLY;
        record.kf_un.kf_pipe.kf_pipe_addr = PipeEnd(status, writes);
        record.kf_un.kf_pipe.kf_pipe_peer = PipeEnd(status, !writes);
      } else {
        record.kf_type = KF_TYPE_FIFO;
        record.kf_vnode_type = KF_VTYPE_VFIFO;
        strncpy(record.kf_path, text.c_str(), sizeof(record.kf_path) - 1);
      }
      break;
    case S_IFSOCK: {
      record.kf_type = KF_TYPE_SOCKET;
      socklen_t length = sizeof(int);
      getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &record.kf_sock_domain, &length);
      length = sizeof(int);
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &record.kf_sock_type, &length);
      length = sizeof(int);
      getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &record.kf_sock_protocol, &length);
      length = sizeof(sockaddr_storage);
      getsockname(fd, reinterpret_cast<sockaddr*>(&record.kf_un.kf_sock.kf_sa_local), &length);
      length = sizeof(sockaddr_storage);
      getpeername(fd, reinterpret_cast<sockaddr*>(&record.kf_un.kf_sock.kf_sa_peer), &length);
      break;
    }
    default:
      // What the runtime uses here has a FreeBSD counterpart of the same use.
      if (text == "anon_inode:[eventpoll]" || text == "anon_inode:[io_uring]") {
        record.kf_type = KF_TYPE_KQUEUE;
      } else if (text == "anon_inode:[eventfd]") {
        record.kf_type = KF_TYPE_EVENTFD;
      } else if (text == "anon_inode:[timerfd]") {
        record.kf_type = KF_TYPE_TIMERFD;
      } else if (text == "anon_inode:inotify") {
        record.kf_type = KF_TYPE_INOTIFY;
      }
      break;
  }
  record.kf_structsize = static_cast<int>(offsetof(kinfo_file, kf_path) +
                                          strnlen(record.kf_path, sizeof(record.kf_path) - 1) + 1);
  return record;
}

int FileDescriptors(void* old, size_t* old_length) {
  // Not open to a process in capability mode (no CTLFLAG_CAPRD), but for its length.
  if (simulation::InCapabilityMode() && old != nullptr) return Fail(EPERM);
  simulation::ForgetClosedQueues();
  std::vector<char> table;
  for (const int fd : simulation::OpenDescriptors()) {
    struct stat status;
    if (fstat(fd, &status) != 0) continue;
    const kinfo_file record = Describe(fd, status);
    const char* bytes = reinterpret_cast<const char*>(&record);
    table.insert(table.end(), bytes, bytes + record.kf_structsize);
  }
  return Answer(table.data(), table.size(), old, old_length);
}

// The directories and devices of another process: it knows the host's files by their own
// paths, whatever jail it is counted in, and cannot hold a jail.
int ReachOf(pid_t pid, void* old, size_t* old_length) {
  if (simulation::InCapabilityMode()) return Fail(EPERM);
  std::vector<char> table;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error)) {
    kinfo_file record = {};
    switch (std::filesystem::status(entry.path(), error).type()) {
      case std::filesystem::file_type::directory:
        record.kf_vnode_type = KF_VTYPE_VDIR;
        break;
      case std::filesystem::file_type::character:
        record.kf_vnode_type = KF_VTYPE_VCHR;
        break;
      case std::filesystem::file_type::block:
        record.kf_vnode_type = KF_VTYPE_VBLK;
        break;
      default:
        continue;
    }
    record.kf_fd = std::stoi(entry.path().filename().string());
    record.kf_type = KF_TYPE_VNODE;
    const std::string path = std::filesystem::read_symlink(entry.path(), error).string();
    strncpy(record.kf_path, path.c_str(), sizeof(record.kf_path) - 1);
    record.kf_structsize =
        static_cast<int>(offsetof(kinfo_file, kf_path) + strlen(record.kf_path) + 1);
    const char* bytes = reinterpret_cast<const char*>(&record);
    table.insert(table.end(), bytes, bytes + record.kf_structsize);
  }
  if (error) return Fail(ESRCH);
  return Answer(table.data(), table.size(), old, old_length);
}

// The host may have another process for its orphans than the one that inherits them here.
pid_t ParentOf(pid_t pid) {
  if (pid == getpid()) return getppid();
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // "17 (name) S 4711 …", where the name may have spaces and parentheses.
  const size_t name_end = text.rfind(')');
  const bool known = name_end != std::string::npos && text.size() > name_end + 4;
  return known && std::stoi(text.substr(name_end + 4)) == getpid() ? getpid() : 1;
}

// Of all processes, this one and those that are in a jail: nobody looks for the others.
int Processes(void* old, size_t* old_length) {
  // Not open to a process in capability mode.
  if (simulation::InCapabilityMode()) return Fail(EPERM);
  simulation::JailTree tree;
  std::vector<kinfo_proc> table;
  for (const simulation::Prison* prison : tree.All()) {
    if (prison != tree.Current() && !simulation::IsChild(tree.Current(), prison)) continue;
    std::set<pid_t> processes = prison->processes;
    if (prison == tree.Current()) processes.insert(getpid());
    for (const pid_t pid : processes) {
      const pid_t session = getsid(pid);
      if (session < 0) continue;
      kinfo_proc record = {};
      record.ki_structsize = sizeof(record);
      record.ki_pid = pid;
      record.ki_ppid = ParentOf(pid);
      record.ki_sid = session;
      // Nobody learns the number of the jail that he is in.
      record.ki_jid = prison == tree.Current() ? 0 : prison->id;
      table.push_back(record);
    }
  }
  return Answer(table.data(), table.size() * sizeof(kinfo_proc), old, old_length);
}

// What exec(2) left on the stack, read once: the process is one, and so is this.
const ps_strings& InitialStrings() {
  static auto& block = *new std::string([] {
    std::ifstream file("/proc/self/environ", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }());
  static auto& variables = *new std::vector<char*>([] {
    std::vector<char*> found;
    for (size_t start = 0; start < block.size(); start = block.find('\0', start) + 1) {
      found.push_back(block.data() + start);
      if (block.find('\0', start) == std::string::npos) break;
    }
    return found;
  }());
  static const ps_strings strings = {nullptr, 0, variables.data(),
                                     static_cast<unsigned int>(variables.size())};
  return strings;
}

constexpr int kSecurity = 14;
constexpr int kJail = 1;
constexpr int kJailParam = 1;
constexpr char kJailParamName[] = "security.jail.param";

// The jail parameters are {kSecurity, kJail, kJailParam, n}, n from 1.
const simulation::JailParameter* ParameterOf(const int* oid, unsigned int length) {
  const auto& parameters = simulation::JailParameters();
  if (length != 4 || oid[0] != kSecurity || oid[1] != kJail || oid[2] != kJailParam) {
    return nullptr;
  }
  const auto index = static_cast<size_t>(oid[3]);
  return index >= 1 && index <= parameters.size() ? &parameters[index - 1] : nullptr;
}

// Questions about nodes: their name (1), the next one (2), kind and format (4).
int AskAboutNode(int question, const int* oid, unsigned int length, void* old, size_t* old_length) {
  const auto* parameter = ParameterOf(oid, length);
  if (question == 2) {
    const int next[] = {kSecurity, kJail, kJailParam, parameter == nullptr ? 1 : oid[3] + 1};
    // Nothing in this kernel comes after the jail parameters.
    if (ParameterOf(next, 4) == nullptr) return Fail(ENOENT);
    return Answer(next, sizeof(next), old, old_length);
  }
  if (parameter == nullptr) return Fail(ENOENT);
  if (question == 1) {
    const std::string name = std::string(kJailParamName) + "." + parameter->name;
    return Answer(name.c_str(), name.size() + 1, old, old_length);
  }
  if (question != 4) return Fail(ENOENT);
  std::string answer(reinterpret_cast<const char*>(&parameter->kind), sizeof(parameter->kind));
  answer += parameter->format;
  return Answer(answer.c_str(), answer.size() + 1, old, old_length);
}

}  // namespace

int sysctl(const int* name, unsigned int name_length, void* old, size_t* old_length, const void*,
           size_t) {
  if (name_length == 4 && name[0] == CTL_KERN && name[1] == KERN_PROC) {
    if (name[2] == KERN_PROC_FILEDESC) {
      return name[3] == getpid() ? FileDescriptors(old, old_length)
                                 : ReachOf(name[3], old, old_length);
    }
    if (name[2] == KERN_PROC_NFDS) {
      simulation::ForgetClosedQueues();
      const int count = static_cast<int>(simulation::OpenDescriptors().size());
      return Answer(&count, sizeof(count), old, old_length);
    }
  }
  if (name_length == 3 && name[0] == CTL_KERN && name[1] == KERN_PROC &&
      name[2] == KERN_PROC_PROC) {
    return Processes(old, old_length);
  }
  if (name_length > 2 && name[0] == CTL_SYSCTL) {
    return AskAboutNode(name[1], name + 2, name_length - 2, old, old_length);
  }
  if (const auto* parameter = ParameterOf(name, name_length)) {
    const std::string size = std::to_string(parameter->size);
    return Answer(size.c_str(), size.size() + 1, old, old_length);
  }
  return Fail(ENOENT);
}

int sysctlnametomib(const char* name, int* oid, size_t* length) {
  const int root[] = {kSecurity, kJail, kJailParam};
  if (strcmp(name, kJailParamName) != 0) return Fail(ENOENT);
  if (*length < 3) return Fail(ENOMEM);
  memcpy(oid, root, sizeof(root));
  *length = 3;
  return 0;
}

int sysctlbyname(const char* name, void* old, size_t* old_length, const void*, size_t) {
  const int osreldate = simulation::Osreldate();
  if (strcmp(name, "kern.osreldate") == 0) {
    return Answer(&osreldate, sizeof(osreldate), old, old_length);
  }
  if (strcmp(name, "kern.ps_strings") == 0) {
    const auto address = reinterpret_cast<unsigned long>(&InitialStrings());
    return Answer(&address, sizeof(address), old, old_length);
  }
  if (strcmp(name, "kern.osrelease") == 0) {
    const std::string release = simulation::Osrelease();
    return Answer(release.c_str(), release.size() + 1, old, old_length);
  }
  if (strcmp(name, "security.jail.jailed") == 0) {
    // Not open to a process in capability mode.
    if (simulation::InCapabilityMode()) return Fail(EPERM);
    const int jailed = simulation::JailTree().IsJailed() ? 1 : 0;
    return Answer(&jailed, sizeof(jailed), old, old_length);
  }
  return Fail(ENOENT);
}
