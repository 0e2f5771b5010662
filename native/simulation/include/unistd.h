// The host's <unistd.h>, with what FreeBSD's has besides.

#ifndef SIMULATION_UNISTD_H_
#define SIMULATION_UNISTD_H_

// NOLINTNEXTLINE: the file of the same name further down the include path.
#include_next <unistd.h>

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 34)
// The prebuilt addon asks for an older C library than the one that has it. Called between fork and
// exec, so it may only do what is safe there.
inline int close_range(unsigned int low, unsigned int high, int /*flags*/) {
  const int size = getdtablesize();
  for (unsigned int fd = low; fd <= high && fd < static_cast<unsigned int>(size); fd++) {
    close(static_cast<int>(fd));
  }
  return 0;
}
#endif

#endif  // SIMULATION_UNISTD_H_
