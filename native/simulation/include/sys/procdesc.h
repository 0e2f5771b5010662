// FreeBSD's <sys/procdesc.h> as the simulated kernel offers it.

#ifndef SIMULATION_SYS_PROCDESC_H_
#define SIMULATION_SYS_PROCDESC_H_

#include <sys/types.h>

int pdgetpid(int fd, pid_t* pid);

#endif  // SIMULATION_SYS_PROCDESC_H_
