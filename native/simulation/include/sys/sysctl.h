// FreeBSD's <sys/sysctl.h> as the simulated kernel offers it.

#ifndef SIMULATION_SYS_SYSCTL_H_
#define SIMULATION_SYS_SYSCTL_H_

#include <cstddef>

#define CTL_KERN 1
#define KERN_PROC 14
#define KERN_PROC_FILEDESC 33
#define KERN_PROC_NFDS 43

int sysctl(const int* name, unsigned int name_length, void* old, size_t* old_length,
           const void* new_value, size_t new_length);
int sysctlbyname(const char* name, void* old, size_t* old_length, const void* new_value,
                 size_t new_length);

#endif  // SIMULATION_SYS_SYSCTL_H_
