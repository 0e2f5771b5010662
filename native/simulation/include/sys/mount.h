// FreeBSD's <sys/mount.h>, as far as what is mounted goes. Records are laid out for the simulated
// kernel alone, under the kernel's names.

#ifndef SIMULATION_SYS_MOUNT_H_
#define SIMULATION_SYS_MOUNT_H_

#include <limits.h>

#include <cstdint>

#define MNT_LOCAL 0x0000000000001000ULL
#define MNT_NOWAIT 2

struct statfs {
  uint64_t f_flags;
  char f_fstypename[16];
  char f_mntfromname[PATH_MAX];
  char f_mntonname[PATH_MAX];
};

int getfsstat(struct statfs* mounts, long size, int mode);

#endif  // SIMULATION_SYS_MOUNT_H_
