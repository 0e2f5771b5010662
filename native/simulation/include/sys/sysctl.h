// FreeBSD's <sys/sysctl.h> as the simulated kernel offers it.

#ifndef SIMULATION_SYS_SYSCTL_H_
#define SIMULATION_SYS_SYSCTL_H_

#include <cstddef>

#define CTL_SYSCTL 0
#define CTL_KERN 1
#define CTL_MAXNAME 24
#define KERN_PROC 14
#define KERN_PROC_PROC 8
#define KERN_PROC_FILEDESC 33
#define KERN_PROC_NFDS 43

#define CTLTYPE 0xf
#define CTLTYPE_INT 2
#define CTLTYPE_STRING 3
#define CTLTYPE_STRUCT 5
#define CTLTYPE_ULONG 8
#define CTLFLAG_RD 0x80000000
#define CTLFLAG_WR 0x40000000
#define CTLFLAG_RW (CTLFLAG_RD | CTLFLAG_WR)
#define CTLFLAG_TUN 0x00080000
#define CTLFLAG_RDTUN (CTLFLAG_RD | CTLFLAG_TUN)

int sysctl(const int* name, unsigned int name_length, void* old, size_t* old_length,
           const void* new_value, size_t new_length);
int sysctlbyname(const char* name, void* old, size_t* old_length, const void* new_value,
                 size_t new_length);
int sysctlnametomib(const char* name, int* oid, size_t* length);

#endif  // SIMULATION_SYS_SYSCTL_H_
