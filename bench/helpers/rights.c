// The system calls of getRights() and limitRights() in a loop: rights CALLS
// prints how many nanoseconds each call of cap_rights_get(2) and of
// cap_rights_limit(2) took. C, and C++ over the simulated kernel.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capsicum.h>
#include <time.h>

static int64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int argc, char** argv) {
  const int64_t calls = argc > 1 ? atoll(argv[1]) : 0;
  const int fd = open("/dev/null", O_RDONLY);
  if (calls <= 0 || fd < 0) return 2;
  cap_rights_t rights;
  rights.cr_rights[0] = CAP_PREAD | CAP_FSTAT;
  rights.cr_rights[1] = CAPRIGHT(1, 0);
  const int64_t started = Now();
  for (int64_t i = 0; i < calls; i++) {
    if (cap_rights_limit(fd, &rights) != 0) return 1;
  }
  const int64_t limited = Now();
  for (int64_t i = 0; i < calls; i++) {
    if (cap_rights_get(fd, &rights) != 0) return 1;
  }
  const int64_t got = Now();
  printf("{\"get\": %.1f, \"limit\": %.1f}\n", (double)(got - limited) / (double)calls,
         (double)(limited - started) / (double)calls);
  return 0;
}
