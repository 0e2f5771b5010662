// Processes and what they have open, as kern.proc has them: of this process and of others.

#include <sys/param.h>
// Keep this order: the rest of sys/ needs sys/param.h.
#include <sys/procctl.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "descriptor_records.h"
#include "system_error.h"

namespace {

// SZOMB of sys/proc.h: ended, and in no jail any more.
constexpr char kZombie = 5;

// Reads a table whole; `record` is room for what is added meanwhile.
bool ReadTable(const int* mib, unsigned int length_of_mib, size_t record,
               std::vector<char>* table) {
  for (;;) {
    size_t length = 0;
    if (sysctl(mib, length_of_mib, nullptr, &length, nullptr, 0) != 0) return false;
    length += length / 4 + 16 * record;
    table->resize(length);
    if (sysctl(mib, length_of_mib, table->data(), &length, nullptr, 0) == 0) {
      table->resize(length);
      return true;
    }
    if (errno != ENOMEM) return false;
  }
}

Napi::Value Processes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int mib[3] = {CTL_KERN, KERN_PROC, KERN_PROC_PROC};
  std::vector<char> table;
  if (!ReadTable(mib, 3, sizeof(kinfo_proc), &table)) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }
  Napi::Array list = Napi::Array::New(env);
  uint32_t count = 0;
  // A record says how long it is, and a newer kernel's may be longer.
  for (size_t offset = 0; offset < table.size();) {
    kinfo_proc record;
    int size = 0;
    const size_t left = table.size() - offset;
    if (left >= sizeof(size)) memcpy(&size, table.data() + offset, sizeof(size));
    if (size < static_cast<int>(sizeof(record)) || static_cast<size_t>(size) > left) {
      ThrowSystemError(env, EPROTO, "sysctl");
      return {};
    }
    memcpy(&record, table.data() + offset, sizeof(record));
    offset += static_cast<size_t>(size);
    if (record.ki_stat == kZombie) continue;
    for (const int number : {record.ki_pid, record.ki_ppid, record.ki_sid, record.ki_jid,
                             record.ki_tracer, record.ki_traceflag}) {
      list.Set(count++, Napi::Number::New(env, number));
    }
  }
  return list;
}

// Who inherits what a process leaves behind: one that asked for it, or init(8).
Napi::Value ReaperOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const int pid = arguments.Int32(0);
  if (arguments.failed()) return {};
  procctl_reaper_status status = {};
  if (procctl(P_PID, pid, PROC_REAP_STATUS, &status) != 0) {
    ThrowSystemError(env, errno, "procctl");
    return {};
  }
  // What it started already is with itself; what is said is who has itself.
  const bool is_init = (status.rs_flags & REAPER_STATUS_REALINIT) != 0;
  return Napi::Number::New(env, is_init ? 1 : status.rs_reaper);
}

// Whether a descriptor may reach beyond the jail of its process, whatever its rights.
bool IsReach(const Descriptor& descriptor) {
  switch (descriptor.type) {
    case KF_TYPE_VNODE:
      return descriptor.vnode_type == KF_VTYPE_VDIR || descriptor.vnode_type == KF_VTYPE_VCHR ||
             descriptor.vnode_type == KF_VTYPE_VBLK;
    case KF_TYPE_DEV:
    case KF_TYPE_PTS:
    case KF_TYPE_PROCDESC:
    case KF_TYPE_JAILDESC:
      return true;
    default:
      return false;
  }
}

Napi::Value ProcessReach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const int pid = arguments.Int32(0);
  if (arguments.failed()) return {};
  const int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, pid};
  std::vector<char> table;
  std::vector<Descriptor> descriptors;
  if (!ReadTable(mib, 4, sizeof(kinfo_file), &table) ||
      !ParseKernelTable(table, &descriptors, Records::kAll)) {
    ThrowSystemError(env, errno, "sysctl");
    return {};
  }
  Napi::Array list = Napi::Array::New(env);
  uint32_t count = 0;
  for (const Descriptor& descriptor : descriptors) {
    if (!IsReach(descriptor)) continue;
    Napi::Object record = Napi::Object::New(env);
    record.Set("fd", Napi::Number::New(env, descriptor.fd));
    record.Set("type", Napi::Number::New(env, descriptor.type));
    record.Set("vnodeType", Napi::Number::New(env, descriptor.vnode_type));
    record.Set("path", Napi::String::New(env, descriptor.path));
    record.Set("pid", Napi::Number::New(env, descriptor.pid));
    record.Set("jid", Napi::Number::New(env, descriptor.jid));
    list.Set(count++, record);
  }
  return list;
}

}  // namespace

void AddJailProcesses(Napi::Env env, Napi::Object exports) {
  AddFunction<Processes>(env, exports, "processes");
  AddFunction<ReaperOf>(env, exports, "reaperOf");
  AddFunction<ProcessReach>(env, exports, "processReach");
}
