// FreeBSD's <sys/procctl.h> as the simulated kernel offers it.

#ifndef SIMULATION_SYS_PROCCTL_H_
#define SIMULATION_SYS_PROCCTL_H_

#include <sys/types.h>
#include <sys/wait.h>

#define PROC_REAP_STATUS 4
#define REAPER_STATUS_REALINIT 0x00000002

struct procctl_reaper_status {
  unsigned int rs_flags;
  pid_t rs_reaper;
};

#define PROC_TRACE_CTL 7
#define PROC_TRACE_STATUS 8
#define PROC_TRACE_CTL_ENABLE 1
#define PROC_TRACE_CTL_DISABLE 2
#define PROC_TRACE_CTL_DISABLE_EXEC 3

#define PROC_NO_NEW_PRIVS_CTL 19
#define PROC_NO_NEW_PRIVS_STATUS 20
#define PROC_NO_NEW_PRIVS_ENABLE 1
#define PROC_NO_NEW_PRIVS_DISABLE 2

// Only for the calling process (`P_PID`, 0), but for PROC_REAP_STATUS.
int procctl(idtype_t idtype, id_t id, int command, void* argument);

#endif  // SIMULATION_SYS_PROCCTL_H_
