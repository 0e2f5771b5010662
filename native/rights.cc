#include "rights.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "addon.h"
#include "arguments.h"
#include "freebsd_compat.h"
#include "system_error.h"
#include "unique_fd.h"

namespace {

struct NamedRight {
  const char* name;
  uint64_t value;
};

// The one list of rights. lib/capsicum/rights.ts names the same; a test
// compares them.
constexpr NamedRight kRights[] = {
    {"read", CAP_READ},
    {"write", CAP_WRITE},
    {"seek_tell", CAP_SEEK_TELL},
    {"seek", CAP_SEEK},
    {"pread", CAP_PREAD},
    {"pwrite", CAP_PWRITE},
    {"mmap", CAP_MMAP},
    {"mmap_r", CAP_MMAP_R},
    {"mmap_w", CAP_MMAP_W},
    {"mmap_x", CAP_MMAP_X},
    {"mmap_rw", CAP_MMAP_RW},
    {"mmap_rx", CAP_MMAP_RX},
    {"mmap_wx", CAP_MMAP_WX},
    {"mmap_rwx", CAP_MMAP_RWX},
    {"create", CAP_CREATE},
    {"fexecve", CAP_FEXECVE},
    {"fsync", CAP_FSYNC},
    {"ftruncate", CAP_FTRUNCATE},
    {"lookup", CAP_LOOKUP},
    {"fchdir", CAP_FCHDIR},
    {"fchflags", CAP_FCHFLAGS},
    {"chflagsat", CAP_CHFLAGSAT},
    {"fchmod", CAP_FCHMOD},
    {"fchmodat", CAP_FCHMODAT},
    {"fchown", CAP_FCHOWN},
    {"fchownat", CAP_FCHOWNAT},
    {"fcntl", CAP_FCNTL},
    {"flock", CAP_FLOCK},
    {"fpathconf", CAP_FPATHCONF},
    {"fsck", CAP_FSCK},
    {"fstat", CAP_FSTAT},
    {"fstatat", CAP_FSTATAT},
    {"fstatfs", CAP_FSTATFS},
    {"futimes", CAP_FUTIMES},
    {"futimesat", CAP_FUTIMESAT},
    {"linkat_target", CAP_LINKAT_TARGET},
    {"mkdirat", CAP_MKDIRAT},
    {"mkfifoat", CAP_MKFIFOAT},
    {"mknodat", CAP_MKNODAT},
    {"renameat_source", CAP_RENAMEAT_SOURCE},
    {"symlinkat", CAP_SYMLINKAT},
    {"unlinkat", CAP_UNLINKAT},
    {"accept", CAP_ACCEPT},
    {"bind", CAP_BIND},
    {"connect", CAP_CONNECT},
    {"getpeername", CAP_GETPEERNAME},
    {"getsockname", CAP_GETSOCKNAME},
    {"getsockopt", CAP_GETSOCKOPT},
    {"listen", CAP_LISTEN},
    {"peeloff", CAP_PEELOFF},
    {"recv", CAP_RECV},
    {"send", CAP_SEND},
    {"setsockopt", CAP_SETSOCKOPT},
    {"shutdown", CAP_SHUTDOWN},
    {"bindat", CAP_BINDAT},
    {"connectat", CAP_CONNECTAT},
    {"linkat_source", CAP_LINKAT_SOURCE},
    {"renameat_target", CAP_RENAMEAT_TARGET},
    {"fchroot", CAP_FCHROOT},
    {"sock_client", CAP_SOCK_CLIENT},
    {"sock_server", CAP_SOCK_SERVER},
    {"mac_get", CAP_MAC_GET},
    {"mac_set", CAP_MAC_SET},
    {"sem_getvalue", CAP_SEM_GETVALUE},
    {"sem_post", CAP_SEM_POST},
    {"sem_wait", CAP_SEM_WAIT},
    {"event", CAP_EVENT},
    {"kqueue_event", CAP_KQUEUE_EVENT},
    {"ioctl", CAP_IOCTL},
    {"ttyhook", CAP_TTYHOOK},
    {"pdgetpid", CAP_PDGETPID},
    {"pdwait", CAP_PDWAIT},
    {"pdkill", CAP_PDKILL},
    {"extattr_delete", CAP_EXTATTR_DELETE},
    {"extattr_get", CAP_EXTATTR_GET},
    {"extattr_list", CAP_EXTATTR_LIST},
    {"extattr_set", CAP_EXTATTR_SET},
    {"acl_check", CAP_ACL_CHECK},
    {"acl_delete", CAP_ACL_DELETE},
    {"acl_get", CAP_ACL_GET},
    {"acl_set", CAP_ACL_SET},
    {"kqueue_change", CAP_KQUEUE_CHANGE},
    {"kqueue", CAP_KQUEUE},
    {"inotify_add", CAP_INOTIFY_ADD},
    {"inotify_rm", CAP_INOTIFY_RM},
    {"poll_event", CAP_POLL_EVENT},
};

constexpr size_t kWords = 4;

Napi::Value RightsTable(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array table = Napi::Array::New(env);
  uint32_t length = 0;
  for (const NamedRight& right : kRights) {
    // The value says by its index bit which of the two 64-bit words it is for.
    const bool second = (right.value & CAPRIGHT(1, 0)) != 0;
    const auto low = static_cast<uint32_t>(right.value);
    const auto high = static_cast<uint32_t>(right.value >> 32);
    Napi::Array row = Napi::Array::New(env, 1 + kWords);
    row.Set(0U, Napi::String::New(env, right.name));
    row.Set(1U, Napi::Number::New(env, second ? 0 : low));
    row.Set(2U, Napi::Number::New(env, second ? 0 : high));
    row.Set(3U, Napi::Number::New(env, second ? low : 0));
    row.Set(4U, Napi::Number::New(env, second ? high : 0));
    table.Set(length++, row);
  }
  return table;
}

Napi::Value CapRightsLimit(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  const uint32_t words[kWords] = {arguments.Uint32(1), arguments.Uint32(2), arguments.Uint32(3),
                                  arguments.Uint32(4)};
  if (arguments.failed()) return {};
  // Built by hand: libc's cap_rights_* helpers abort the process on a value
  // they do not like, the system call answers EINVAL.
  cap_rights_t rights = RightsFromWords(words);
  if (cap_rights_limit(fd, &rights) != 0) {
    ThrowSystemError(info.Env(), errno, "cap_rights_limit", fd);
  }
  return info.Env().Undefined();
}

Napi::Value CapRightsGet(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  uint32_t* words = arguments.Words(1, kWords);
  if (arguments.failed()) return {};
  cap_rights_t rights;
  if (cap_rights_get(fd, &rights) != 0) {
    ThrowSystemError(info.Env(), errno, "cap_rights_get", fd);
    return {};
  }
  RightsToWords(rights, words);
  return info.Env().Undefined();
}

// A descriptor nobody has limited carries every right the running kernel knows.
Napi::Value CapRightsKnown(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint32_t* words = arguments.Words(0, kWords);
  if (arguments.failed()) return {};
  const UniqueFd fresh(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fresh.get() < 0) {
    ThrowSystemError(info.Env(), errno, "socket");
    return {};
  }
  cap_rights_t rights;
  if (cap_rights_get(fresh.get(), &rights) != 0) {
    ThrowSystemError(info.Env(), errno, "cap_rights_get");
    return {};
  }
  RightsToWords(rights, words);
  return info.Env().Undefined();
}

}  // namespace

cap_rights_t RightsFromWords(const uint32_t words[4]) {
  cap_rights_t rights;
  rights.cr_rights[0] = static_cast<uint64_t>(words[1]) << 32 | words[0];
  rights.cr_rights[1] = static_cast<uint64_t>(words[3]) << 32 | words[2];
  return rights;
}

void RightsToWords(const cap_rights_t& rights, uint32_t words[4]) {
  words[0] = static_cast<uint32_t>(rights.cr_rights[0]);
  words[1] = static_cast<uint32_t>(rights.cr_rights[0] >> 32);
  words[2] = static_cast<uint32_t>(rights.cr_rights[1]);
  words[3] = static_cast<uint32_t>(rights.cr_rights[1] >> 32);
}

void AddRights(Napi::Env env, Napi::Object exports) {
  AddFunction<RightsTable>(env, exports, "rightsTable");
  AddFunction<CapRightsLimit>(env, exports, "capRightsLimit");
  AddFunction<CapRightsGet>(env, exports, "capRightsGet");
  AddFunction<CapRightsKnown>(env, exports, "capRightsKnown");
}
