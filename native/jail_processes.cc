// The processes of a jail, by number and session, as kern.proc has them.

#include <sys/param.h>
// Keep this order: the rest of sys/ needs sys/param.h.
#include <sys/sysctl.h>
#include <sys/user.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "system_error.h"

namespace {

// SZOMB of sys/proc.h: ended, and in no jail any more.
constexpr char kZombie = 5;

bool ReadProcesses(std::vector<char>* table) {
  const int mib[3] = {CTL_KERN, KERN_PROC, KERN_PROC_PROC};
  for (;;) {
    size_t length = 0;
    if (sysctl(mib, 3, nullptr, &length, nullptr, 0) != 0) return false;
    // Room for those that start meanwhile.
    length += length / 4 + 16 * sizeof(kinfo_proc);
    table->resize(length);
    if (sysctl(mib, 3, table->data(), &length, nullptr, 0) == 0) {
      table->resize(length);
      return true;
    }
    if (errno != ENOMEM) return false;
  }
}

Napi::Value JailProcesses(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const int jid = arguments.Int32(0);
  if (arguments.failed()) return {};
  std::vector<char> table;
  if (!ReadProcesses(&table)) {
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
    if (record.ki_jid != jid || record.ki_stat == kZombie) continue;
    list.Set(count++, Napi::Number::New(env, record.ki_pid));
    list.Set(count++, Napi::Number::New(env, record.ki_sid));
  }
  return list;
}

}  // namespace

void AddJailProcesses(Napi::Env env, Napi::Object exports) {
  AddFunction<JailProcesses>(env, exports, "jailProcesses");
}
