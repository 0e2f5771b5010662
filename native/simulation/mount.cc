// One file system with everything in it: what the host has mounted twice is not known here.

#include <sys/mount.h>

#include <sys/capsicum.h>

#include <cerrno>
#include <cstring>

#include "descriptor_table.h"

int getfsstat(struct statfs* mounts, long size, int) {
  if (simulation::InCapabilityMode()) {
    errno = ECAPMODE;
    return -1;
  }
  if (mounts == nullptr) return 1;
  if (size < static_cast<long>(sizeof(struct statfs))) return 0;
  *mounts = {};
  mounts->f_flags = MNT_LOCAL;
  strcpy(mounts->f_fstypename, "ufs");
  strcpy(mounts->f_mntfromname, "/dev/ada0p2");
  strcpy(mounts->f_mntonname, "/");
  return 1;
}
