// FreeBSD's <sys/exec.h> as the simulated kernel offers it.

#ifndef SIMULATION_SYS_EXEC_H_
#define SIMULATION_SYS_EXEC_H_

struct ps_strings {
  char** ps_argvstr;
  unsigned int ps_nargvstr;
  char** ps_envstr;
  unsigned int ps_nenvstr;
};

#endif  // SIMULATION_SYS_EXEC_H_
