// The system calls of getRights() and limitRights() in a loop: rights CALLS
// prints how many nanoseconds each call of cap_rights_get(2) and of
// cap_rights_limit(2) took.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capsicum.h>
#include <time.h>

namespace {

int64_t Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

template <typename Call>
double Measure(int64_t calls, Call call) {
  const int64_t started = Now();
  for (int64_t i = 0; i < calls; i++) {
    if (call() != 0) abort();
  }
  return static_cast<double>(Now() - started) / static_cast<double>(calls);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t calls = argc > 1 ? atoll(argv[1]) : 0;
  const int fd = open("/dev/null", O_RDONLY);
  if (calls <= 0 || fd < 0) return 2;
  cap_rights_t rights;
  rights.cr_rights[0] = CAP_PREAD | CAP_FSTAT;
  rights.cr_rights[1] = CAPRIGHT(1, 0);
  const double limit = Measure(calls, [&] { return cap_rights_limit(fd, &rights); });
  const double get = Measure(calls, [&] { return cap_rights_get(fd, &rights); });
  printf("{\"get\": %.1f, \"limit\": %.1f}\n", get, limit);
  return 0;
}
