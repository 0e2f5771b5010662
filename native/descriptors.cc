// The inventory of open descriptors, and the retirement of one.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/capsicum.h>
#include <sys/procdesc.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
// Keep this order: sys/sysctl.h and sys/user.h need the types above.
#include <sys/sysctl.h>
#include <sys/user.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "freebsd_compat.h"
#include "rights.h"
#include "system_error.h"
#include "unique_fd.h"

namespace {

struct Descriptor {
  int fd = -1;
  int type = KF_TYPE_UNKNOWN;
  int vnode_type = KF_VTYPE_UNKNOWN;
  int flags = -1;
  bool close_on_exec = false;
  bool tty = false;
  int domain = 0;
  int socket_type = 0;
  int protocol = 0;
  bool listening = false;
  std::string local;
  std::string peer;
  std::string path;
  int pid = 0;
  int jid = 0;
  uint64_t pipe = 0;
  uint64_t pipe_peer = 0;
};

// "address:port", "[address]:port" or the path of a UNIX socket; empty for an
// unnamed socket and for families without a common notation.
std::string AddressText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN];
  switch (address.ss_family) {
    case AF_INET: {
      sockaddr_in in;
      memcpy(&in, &address, sizeof(in));
      if (in.sin_port == 0 && in.sin_addr.s_addr == 0) return {};
      if (inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text)) == nullptr) return {};
      return std::string(text) + ":" + std::to_string(ntohs(in.sin_port));
    }
    case AF_INET6: {
      sockaddr_in6 in6;
      memcpy(&in6, &address, sizeof(in6));
      if (in6.sin6_port == 0 && IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) return {};
      if (inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text)) == nullptr) return {};
      return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6.sin6_port));
    }
    case AF_UNIX: {
      sockaddr_un un;
      memcpy(&un, &address, sizeof(un));
      return {un.sun_path, strnlen(un.sun_path, sizeof(un.sun_path))};
    }
    default:
      return {};
  }
}

// getsockname(2) or getpeername(2); nothing where the rights do not allow it.
template <typename Call>
std::optional<sockaddr_storage> SocketAddress(int fd, Call call) {
  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  if (call(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return std::nullopt;
  // Leaves no byte of a longer earlier path behind the end of this one.
  if (length < sizeof(address)) {
    memset(reinterpret_cast<char*>(&address) + length, 0, sizeof(address) - length);
  }
  return address;
}

int SocketOption(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

bool HasRight(int fd, uint64_t right) {
  cap_rights_t rights;
  if (cap_rights_get(fd, &rights) != 0) return false;
  const uint64_t word = rights.cr_rights[(right & CAPRIGHT(1, 0)) != 0 ? 1 : 0];
  return (word & right) == right;
}

// A socket limited to less than CAP_GETSOCKOPT does not say whether it listens;
// then the right to accept, without a peer, does.
bool IsListening(int fd, const Descriptor& descriptor) {
  const int accepts = SocketOption(fd, SO_ACCEPTCONN);
  if (accepts >= 0) return accepts != 0;
  return descriptor.peer.empty() && HasRight(fd, CAP_ACCEPT);
}

Descriptor FromKernelRecord(const kinfo_file& record, size_t size) {
  Descriptor descriptor;
  descriptor.fd = record.kf_fd;
  descriptor.type = record.kf_type;
  descriptor.flags = record.kf_flags;
  switch (record.kf_type) {
    case KF_TYPE_VNODE:
    case KF_TYPE_FIFO:
    case KF_TYPE_PTS:
    case KF_TYPE_DEV:
      descriptor.vnode_type = record.kf_vnode_type;
      break;
    case KF_TYPE_SOCKET:
      descriptor.domain = record.kf_sock_domain;
      descriptor.socket_type = record.kf_sock_type;
      descriptor.protocol = record.kf_sock_protocol;
      descriptor.local = AddressText(record.kf_un.kf_sock.kf_sa_local);
      descriptor.peer = AddressText(record.kf_un.kf_sock.kf_sa_peer);
      break;
    case KF_TYPE_PIPE:
      descriptor.pipe = record.kf_un.kf_pipe.kf_pipe_addr;
      descriptor.pipe_peer = record.kf_un.kf_pipe.kf_pipe_peer;
      break;
    case KF_TYPE_PROCDESC:
      descriptor.pid = record.kf_un.kf_proc.kf_pid;
      break;
    case KF_TYPE_JAILDESC:
      // kf_jail.kf_jid, a member that the headers of 14.x lack.
      memcpy(&descriptor.jid, &record.kf_un, sizeof(descriptor.jid));
      break;
    default:
      break;
  }
  // For a socket it is the name of its domain.
  constexpr size_t kPathOffset = offsetof(kinfo_file, kf_path);
  if (record.kf_type != KF_TYPE_SOCKET && size > kPathOffset) {
    descriptor.path.assign(record.kf_path, strnlen(record.kf_path, size - kPathOffset));
  }
  return descriptor;
}

// What a descriptor says of itself where kern.proc.filedesc is refused.
Descriptor FromDescriptor(int fd) {
  Descriptor descriptor;
  descriptor.fd = fd;
  const int mode = fcntl(fd, F_GETFL);
  if (mode >= 0) {
    const int access = mode & O_ACCMODE;
    descriptor.flags = (access != O_WRONLY ? KF_FLAG_READ : 0) |
                       (access != O_RDONLY ? KF_FLAG_WRITE : 0) |
                       ((mode & O_APPEND) != 0 ? KF_FLAG_APPEND : 0) |
                       ((mode & O_NONBLOCK) != 0 ? KF_FLAG_NONBLOCK : 0);
  }
  const auto local = SocketAddress(fd, getsockname);
  if (local) {
    descriptor.type = KF_TYPE_SOCKET;
    descriptor.domain = local->ss_family;
    descriptor.local = AddressText(*local);
    const auto peer = SocketAddress(fd, getpeername);
    if (peer) descriptor.peer = AddressText(*peer);
    const int type = SocketOption(fd, SO_TYPE);
    if (type > 0) descriptor.socket_type = type;
    return descriptor;
  }
  int pid = 0;
  if (pdgetpid(fd, &pid) == 0) {
    descriptor.type = KF_TYPE_PROCDESC;
    descriptor.pid = pid;
    return descriptor;
  }
  struct stat status;
  if (fstat(fd, &status) != 0) return descriptor;
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      descriptor.type = KF_TYPE_VNODE;
      descriptor.vnode_type = KF_VTYPE_VREG;
      break;
    case S_IFDIR:
      descriptor.type = KF_TYPE_VNODE;
      descriptor.vnode_type = KF_VTYPE_VDIR;
      break;
    case S_IFCHR:
      descriptor.type = KF_TYPE_VNODE;
      descriptor.vnode_type = KF_VTYPE_VCHR;
      break;
    case S_IFIFO:
      // Pipes and kqueues both say so; the right to wait on it is a kqueue's.
      descriptor.type =
          HasRight(fd, CAP_KQUEUE_EVENT) && !HasRight(fd, CAP_READ) ? KF_TYPE_KQUEUE : KF_TYPE_PIPE;
      break;
    case S_IFSOCK:
      descriptor.type = KF_TYPE_SOCKET;
      break;
    default:
      break;
  }
  return descriptor;
}

// Reads kern.proc.filedesc whole; false with errno where it is refused.
bool ReadKernelTable(std::vector<char>* table) {
  int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, getpid()};
  for (;;) {
    size_t length = 0;
    if (sysctl(mib, 4, nullptr, &length, nullptr, 0) != 0) return false;
    // Room for descriptors that other threads open meanwhile.
    length += length / 2 + 4 * sizeof(kinfo_file);
    table->resize(length);
    if (sysctl(mib, 4, table->data(), &length, nullptr, 0) == 0) {
      table->resize(length);
      return true;
    }
    if (errno != ENOMEM) return false;
  }
}

std::vector<Descriptor> ParseKernelTable(const std::vector<char>& table) {
  std::vector<Descriptor> descriptors;
  size_t offset = 0;
  while (offset + sizeof(int) <= table.size()) {
    int size = 0;
    memcpy(&size, table.data() + offset, sizeof(size));
    if (size <= 0 || offset + static_cast<size_t>(size) > table.size()) break;
    // Records are cut to their length: the copy gives each its whole struct.
    kinfo_file record = {};
    const size_t known = std::min(static_cast<size_t>(size), sizeof(record));
    memcpy(&record, table.data() + offset, known);
    if (record.kf_fd >= 0) descriptors.push_back(FromKernelRecord(record, known));
    offset += static_cast<size_t>(size);
  }
  return descriptors;
}

bool ProbeDescriptors(std::vector<Descriptor>* descriptors) {
  int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_NFDS, 0};
  int open_count = 0;
  size_t length = sizeof(open_count);
  if (sysctl(mib, 4, &open_count, &length, nullptr, 0) != 0) return false;
  const int limit = getdtablesize();
  for (int fd = 0; fd < limit && static_cast<int>(descriptors->size()) < open_count; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) descriptors->push_back(FromDescriptor(fd));
  }
  return true;
}

Napi::Value ListDescriptors(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<char> table;
  std::vector<Descriptor> descriptors;
  if (ReadKernelTable(&table)) {
    descriptors = ParseKernelTable(table);
  } else if (errno != EPERM || !ProbeDescriptors(&descriptors)) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }

  Napi::Array list = Napi::Array::New(env);
  uint32_t count = 0;
  for (Descriptor& descriptor : descriptors) {
    const int flags = fcntl(descriptor.fd, F_GETFD);
    // Closed since the table was read.
    if (flags < 0) continue;
    descriptor.close_on_exec = (flags & FD_CLOEXEC) != 0;
    descriptor.tty = descriptor.vnode_type == KF_VTYPE_VCHR && isatty(descriptor.fd) != 0;
    if (descriptor.type == KF_TYPE_SOCKET) {
      descriptor.listening = IsListening(descriptor.fd, descriptor);
    }
    Napi::Object record = Napi::Object::New(env);
    record.Set("fd", Napi::Number::New(env, descriptor.fd));
    record.Set("type", Napi::Number::New(env, descriptor.type));
    record.Set("vnodeType", Napi::Number::New(env, descriptor.vnode_type));
    record.Set("flags", Napi::Number::New(env, descriptor.flags));
    record.Set("closeOnExec", Napi::Boolean::New(env, descriptor.close_on_exec));
    record.Set("tty", Napi::Boolean::New(env, descriptor.tty));
    record.Set("domain", Napi::Number::New(env, descriptor.domain));
    record.Set("socketType", Napi::Number::New(env, descriptor.socket_type));
    record.Set("protocol", Napi::Number::New(env, descriptor.protocol));
    record.Set("listening", Napi::Boolean::New(env, descriptor.listening));
    record.Set("local", Napi::String::New(env, descriptor.local));
    record.Set("peer", Napi::String::New(env, descriptor.peer));
    record.Set("path", Napi::String::New(env, descriptor.path));
    record.Set("pid", Napi::Number::New(env, descriptor.pid));
    record.Set("jid", Napi::Number::New(env, descriptor.jid));
    record.Set("pipe", Napi::BigInt::New(env, descriptor.pipe));
    record.Set("pipePeer", Napi::BigInt::New(env, descriptor.pipe_peer));
    list.Set(count++, record);
  }
  return list;
}

Napi::Value RetireDescriptor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  if (fcntl(fd, F_GETFD) < 0) {
    ThrowSystemError(env, errno, "close", fd);
    return {};
  }
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (null.get() < 0) {
    ThrowSystemError(env, errno, "open");
    return {};
  }
  if (dup3(null.get(), fd, O_CLOEXEC) < 0) {
    ThrowSystemError(env, errno, "dup3", fd);
    return {};
  }
  const uint32_t no_rights[4] = {0, CAPRIGHT(0, 0) >> 32, 0, CAPRIGHT(1, 0) >> 32};
  const cap_rights_t none = RightsFromWords(no_rights);
  if (cap_rights_limit(fd, &none) != 0) ThrowSystemError(env, errno, "cap_rights_limit", fd);
  return env.Undefined();
}

}  // namespace

void AddDescriptors(Napi::Env env, Napi::Object exports) {
  AddFunction<ListDescriptors>(env, exports, "listDescriptors");
  AddFunction<RetireDescriptor>(env, exports, "retireDescriptor");
}
