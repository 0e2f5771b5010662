// The inventory of open descriptors, and the retirement of one.

#include <fcntl.h>
#include <sys/capsicum.h>
#include <sys/eventfd.h>
#include <sys/procdesc.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
// Keep this order: sys/sysctl.h and sys/user.h need the types above.
#include <sys/sysctl.h>
#include <sys/user.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "descriptor_records.h"
#include "freebsd_compat.h"
#include "rights.h"
#include "system_error.h"
#include "unique_fd.h"

namespace {

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
      // Pipes and kqueues both say so; rights that only one can use tell them apart.
      if (!HasRight(fd, CAP_KQUEUE_EVENT)) {
        descriptor.type = KF_TYPE_PIPE;
      } else if (!HasRight(fd, CAP_READ) && !HasRight(fd, CAP_WRITE)) {
        descriptor.type = KF_TYPE_KQUEUE;
      }
      break;
    case S_IFSOCK:
      descriptor.type = KF_TYPE_SOCKET;
      break;
    default:
      break;
  }
  return descriptor;
}

bool CountDescriptors(int* count) {
  int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_NFDS, 0};
  size_t length = sizeof(*count);
  return sysctl(mib, 4, count, &length, nullptr, 0) == 0;
}

// Reads kern.proc.filedesc whole; false with errno where it is refused.
bool ReadKernelTable(std::vector<char>* table) {
  // Room by their number: to be told the length, the kernel would go through all
  // of them, paths included, as it does to answer.
  int open_count = 0;
  if (!CountDescriptors(&open_count)) return false;
  // Other threads may open some meanwhile.
  constexpr size_t kSpare = 64;
  int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, getpid()};
  for (size_t room = static_cast<size_t>(open_count) + kSpare;; room *= 2) {
    table->resize(room * sizeof(kinfo_file));
    size_t length = table->size();
    if (sysctl(mib, 4, table->data(), &length, nullptr, 0) == 0) {
      table->resize(length);
      return true;
    }
    if (errno != ENOMEM) return false;
  }
}

// Asks each number until as many are found as the kernel says are open. Not up
// to getdtablesize(3): a limit lowered later leaves higher ones open.
bool ProbeNumbers(std::vector<int>* numbers) {
  constexpr int kHighest = 1 << 20;
  for (int attempt = 0; attempt < 3; attempt++) {
    int open_count = 0;
    if (!CountDescriptors(&open_count)) return false;
    numbers->clear();
    for (int fd = 0; fd < kHighest && static_cast<int>(numbers->size()) < open_count; fd++) {
      if (fcntl(fd, F_GETFD) >= 0) numbers->push_back(fd);
    }
    if (static_cast<int>(numbers->size()) >= open_count) return true;
    // Other threads closed some meanwhile: count again.
  }
  errno = EOVERFLOW;
  return false;
}

bool ProbeDescriptors(std::vector<Descriptor>* descriptors) {
  std::vector<int> numbers;
  if (!ProbeNumbers(&numbers)) return false;
  for (const int fd : numbers) descriptors->push_back(FromDescriptor(fd));
  return true;
}

Napi::Value OpenDescriptors(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<int> numbers;
  if (!ProbeNumbers(&numbers)) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }
  Napi::Array list = Napi::Array::New(env, numbers.size());
  for (size_t i = 0; i < numbers.size(); i++) {
    list.Set(static_cast<uint32_t>(i), Napi::Number::New(env, numbers[i]));
  }
  return list;
}

Napi::Value ListDescriptors(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<char> table;
  std::vector<Descriptor> descriptors;
  const bool listed = ReadKernelTable(&table) ? ParseKernelTable(table, &descriptors)
                                              : errno == EPERM && ProbeDescriptors(&descriptors);
  if (!listed) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }

  // Each made once: a record for each of thousands of descriptors has them all.
  const auto key = [env](const char* name) { return Napi::String::New(env, name); };
  const Napi::String fd_key = key("fd");
  const Napi::String type_key = key("type");
  const Napi::String vnode_type_key = key("vnodeType");
  const Napi::String flags_key = key("flags");
  const Napi::String close_on_exec_key = key("closeOnExec");
  const Napi::String tty_key = key("tty");
  const Napi::String domain_key = key("domain");
  const Napi::String socket_type_key = key("socketType");
  const Napi::String protocol_key = key("protocol");
  const Napi::String listening_key = key("listening");
  const Napi::String local_key = key("local");
  const Napi::String peer_key = key("peer");
  const Napi::String path_key = key("path");
  const Napi::String pid_key = key("pid");
  const Napi::String jid_key = key("jid");
  const Napi::String pipe_key = key("pipe");
  const Napi::String pipe_peer_key = key("pipePeer");
  // Most descriptors have few of them.
  const Napi::String nothing = Napi::String::New(env, "");
  const Napi::BigInt zero = Napi::BigInt::New(env, uint64_t{0});
  const auto text = [&](const std::string& value) {
    return value.empty() ? nothing : Napi::String::New(env, value);
  };
  const auto address = [&](uint64_t value) {
    return value == 0 ? zero : Napi::BigInt::New(env, value);
  };
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
    const Napi::HandleScope scope(env);
    Napi::Object record = Napi::Object::New(env);
    record.Set(fd_key, Napi::Number::New(env, descriptor.fd));
    record.Set(type_key, Napi::Number::New(env, descriptor.type));
    record.Set(vnode_type_key, Napi::Number::New(env, descriptor.vnode_type));
    record.Set(flags_key, Napi::Number::New(env, descriptor.flags));
    record.Set(close_on_exec_key, Napi::Boolean::New(env, descriptor.close_on_exec));
    record.Set(tty_key, Napi::Boolean::New(env, descriptor.tty));
    record.Set(domain_key, Napi::Number::New(env, descriptor.domain));
    record.Set(socket_type_key, Napi::Number::New(env, descriptor.socket_type));
    record.Set(protocol_key, Napi::Number::New(env, descriptor.protocol));
    record.Set(listening_key, Napi::Boolean::New(env, descriptor.listening));
    record.Set(local_key, text(descriptor.local));
    record.Set(peer_key, text(descriptor.peer));
    record.Set(path_key, text(descriptor.path));
    record.Set(pid_key, Napi::Number::New(env, descriptor.pid));
    record.Set(jid_key, Napi::Number::New(env, descriptor.jid));
    record.Set(pipe_key, address(descriptor.pipe));
    record.Set(pipe_peer_key, address(descriptor.pipe_peer));
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
  // Not /dev/null: a jail may have none, or something else under its name.
  const UniqueFd nothing(eventfd(0, EFD_CLOEXEC));
  if (nothing.get() < 0) {
    ThrowSystemError(env, errno, "eventfd");
    return {};
  }
  if (dup3(nothing.get(), fd, O_CLOEXEC) < 0) {
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
  AddFunction<OpenDescriptors>(env, exports, "openDescriptors");
  AddFunction<RetireDescriptor>(env, exports, "retireDescriptor");
}
