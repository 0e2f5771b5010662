#include <sys/procctl.h>

#include <signal.h>

#include <atomic>
#include <cerrno>

#include "descriptor_table.h"

namespace {

std::atomic<bool> no_new_privileges = false;
std::atomic<bool> no_tracing = false;

int Fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

int procctl(idtype_t idtype, id_t id, int command, void* argument) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  if (idtype != P_PID) return Fail(EINVAL);
  if (command == PROC_REAP_STATUS) {
    // Whatever the host does with orphans: nobody here has asked for them.
    *static_cast<procctl_reaper_status*>(argument) = {REAPER_STATUS_REALINIT, 1};
    return kill(static_cast<pid_t>(id), 0);
  }
  if (id != 0) return Fail(EINVAL);
  int* value = static_cast<int*>(argument);
  switch (command) {
    case PROC_NO_NEW_PRIVS_CTL:
      if (*value != PROC_NO_NEW_PRIVS_ENABLE) return Fail(EINVAL);
      no_new_privileges = true;
      return 0;
    case PROC_NO_NEW_PRIVS_STATUS:
      *value = no_new_privileges ? PROC_NO_NEW_PRIVS_ENABLE : PROC_NO_NEW_PRIVS_DISABLE;
      return 0;
    case PROC_TRACE_CTL:
      if (*value < PROC_TRACE_CTL_ENABLE || *value > PROC_TRACE_CTL_DISABLE_EXEC) {
        return Fail(EINVAL);
      }
      no_tracing = *value != PROC_TRACE_CTL_ENABLE;
      return 0;
    case PROC_TRACE_STATUS:
      *value = no_tracing ? -1 : 0;
      return 0;
    default:
      return Fail(EINVAL);
  }
}
