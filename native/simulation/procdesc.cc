#include <sys/procdesc.h>

#include <sys/capsicum.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "descriptor_table.h"
#include "processes.h"

namespace {

// Linux's P_PIDFD, which headers of some ages lack.
constexpr idtype_t kByDescriptor = static_cast<idtype_t>(3);

int Fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

std::optional<pid_t> simulation::ProcessOf(int fd) {
  // Only a pidfd has this line; it reads -1 once the process was reaped.
  FILE* file = fopen(("/proc/self/fdinfo/" + std::to_string(fd)).c_str(), "re");
  if (file == nullptr) return std::nullopt;
  char line[128];
  std::optional<pid_t> pid;
  while (!pid && fgets(line, sizeof(line), file) != nullptr) {
    int number = 0;
    if (sscanf(line, "Pid: %d", &number) == 1) pid = number;
  }
  fclose(file);
  return pid;
}

std::optional<int> simulation::ExitStatusOf(int fd) {
  siginfo_t info = {};
  if (waitid(kByDescriptor, static_cast<id_t>(fd), &info, WEXITED | WNOHANG | WNOWAIT | __WALL) !=
      0) {
    return std::nullopt;
  }
  if (info.si_pid == 0) return std::nullopt;
  switch (info.si_code) {
    case CLD_EXITED:
      return W_EXITCODE(info.si_status, 0);
    case CLD_DUMPED:
      return W_EXITCODE(0, info.si_status) | WCOREFLAG;
    default:
      return W_EXITCODE(0, info.si_status);
  }
}

int pdgetpid(int fd, pid_t* pid) {
  const int refused = simulation::CheckRight(fd, CAP_PDGETPID);
  if (refused != 0) return Fail(refused);
  const std::optional<pid_t> found = simulation::ProcessOf(fd);
  if (!found) return Fail(EBADF);
  *pid = *found;
  return 0;
}
