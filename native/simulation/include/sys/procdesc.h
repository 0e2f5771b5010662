// FreeBSD's <sys/procdesc.h> as the simulated kernel offers it.

#ifndef SIMULATION_SYS_PROCDESC_H_
#define SIMULATION_SYS_PROCDESC_H_

#include <sys/resource.h>
#include <sys/types.h>

#define PD_DAEMON 0x00000001
#define PD_CLOEXEC 0x00100000

struct __wrusage {
  struct rusage wru_self;
  struct rusage wru_children;
};

pid_t pdfork(int* fd, int flags);
int pdgetpid(int fd, pid_t* pid);
int pdkill(int fd, int signal);
// `options` and the status are the host's (<sys/wait.h>).
int pdwait(int fd, int* status, int options, struct __wrusage* usage, void* info);

#endif  // SIMULATION_SYS_PROCDESC_H_
