#include <sys/procdesc.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/capsicum.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "descriptor_table.h"
#include "processes.h"

namespace {

// Linux's P_PIDFD, which headers of some ages lack.
constexpr int kByDescriptor = 3;

struct Process {
  pid_t pid;
  bool daemon;
  bool reaped = false;
  int status = 0;
};

// As with the descriptor table: a kernel is one for the whole process.
std::mutex processes_mutex;

std::unordered_map<int, Process>& Processes() {
  static auto& processes = *new std::unordered_map<int, Process>();
  return processes;
}

// Children without a descriptor: the kernel gives them to init(8), which reaps
// them; here they stay this process's.
std::vector<pid_t>& Orphans() {
  static auto& orphans = *new std::vector<pid_t>();
  return orphans;
}

// The processes of other parents, by descriptor: the host forgets their numbers
// when they are reaped.
std::unordered_map<int, pid_t>& Adopted() {
  static auto& adopted = *new std::unordered_map<int, pid_t>();
  return adopted;
}

int Fail(int error) {
  errno = error;
  return -1;
}

void ReapOrphans() {
  auto& orphans = Orphans();
  orphans.erase(std::remove_if(orphans.begin(), orphans.end(),
                               [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; }),
                orphans.end());
}

int StatusOf(const siginfo_t& info) {
  switch (info.si_code) {
    case CLD_EXITED:
      return W_EXITCODE(info.si_status & 0xff, 0);
    case CLD_DUMPED:
      return W_EXITCODE(0, info.si_status) | WCOREFLAG;
    case CLD_STOPPED:
      return W_STOPCODE(info.si_status);
    case CLD_CONTINUED:
      return __W_CONTINUED;
    default:
      return W_EXITCODE(0, info.si_status);
  }
}

int WaitFor(int fd, siginfo_t* info, int options, struct rusage* usage) {
  return static_cast<int>(syscall(SYS_waitid, kByDescriptor, fd, info, options | __WALL, usage));
}

// What /proc says of a pidfd: -1 once its process was reaped; nothing for
// another descriptor.
std::optional<pid_t> HostsAnswer(int fd) {
  FILE* file = fopen(("/proc/self/fdinfo/" + std::to_string(fd)).c_str(), "re");
  if (file == nullptr) return std::nullopt;
  char line[128];
  std::optional<pid_t> pid;
  while (!pid && fgets(line, sizeof(line), file) != nullptr) {
    int number = 0;
    if (sscanf(line, "Pid: %d", &number) == 1) pid = number;
  }
  fclose(file);
  errno = 0;
  return pid;
}

// Whether the number is that of a descriptor of this process still.
bool LeadsTo(int fd, const Process& process) {
  const std::optional<pid_t> answer = HostsAnswer(fd);
  if (answer) return *answer == (process.reaped ? -1 : process.pid);
  // As far as can be seen where there is none left to look with.
  return (errno == EMFILE || errno == ENFILE) && fcntl(fd, F_GETFD) >= 0;
}

void LostDescriptor(int fd, const Process& process);

// The number is that of a descriptor of this process from now on.
void Own(int fd, const Process& process) {
  const auto [place, is_free] = Processes().try_emplace(fd, process);
  if (is_free) return;
  // Closed by another thread, which has not said so yet.
  const Process before = std::exchange(place->second, process);
  if (before.pid != process.pid) LostDescriptor(fd, before);
}

// A descriptor of the process was closed, which had this number.
void LostDescriptor(int fd, const Process& process) {
  if (process.reaped) return;
  // It may have been duplicated: the process goes with the last.
  for (const int other : simulation::OpenDescriptors()) {
    if (other != fd && HostsAnswer(other) == process.pid) {
      Own(other, process);
      return;
    }
  }
  // Not reaped: the number is the child's own still.
  if (!process.daemon) kill(process.pid, SIGKILL);
  // It is gone at once, unless the host is busy; left as it is, it would stay
  // until a next call reaps it.
  for (int attempt = 0; attempt < 5000; attempt++) {
    if (waitpid(process.pid, nullptr, WNOHANG) != 0) return;
    if (process.daemon) break;
    const struct timespec moment = {0, 1000000};
    nanosleep(&moment, nullptr);
  }
  Orphans().push_back(process.pid);
}

}  // namespace

std::optional<pid_t> simulation::ProcessOf(int fd) {
  const std::optional<pid_t> answer = HostsAnswer(fd);
  // The look needs a descriptor; the kernel's does not.
  if (!answer && errno != EMFILE && errno != ENFILE) return std::nullopt;
  const std::lock_guard lock(processes_mutex);
  const auto own = Processes().find(fd);
  if (answer && *answer > 0) {
    if (own == Processes().end()) Adopted()[fd] = *answer;
    return answer;
  }
  if (own != Processes().end()) return own->second.pid;
  const auto adopted = Adopted().find(fd);
  return adopted == Adopted().end() ? answer : adopted->second;
}

bool simulation::IsOwnChild(int fd) {
  siginfo_t info = {};
  return WaitFor(fd, &info, WEXITED | WNOHANG | WNOWAIT, nullptr) == 0;
}

std::optional<int> simulation::ExitStatusOf(int fd) {
  {
    const std::lock_guard lock(processes_mutex);
    const auto found = Processes().find(fd);
    if (found != Processes().end() && found->second.reaped) return found->second.status;
  }
  siginfo_t info = {};
  if (WaitFor(fd, &info, WEXITED | WNOHANG | WNOWAIT, nullptr) != 0 || info.si_pid == 0) {
    return std::nullopt;
  }
  return StatusOf(info);
}

void simulation::ReapClosed() {
  const std::lock_guard lock(processes_mutex);
  ReapOrphans();
}

void simulation::ProcessClosed(int fd) {
  const std::lock_guard lock(processes_mutex);
  ReapOrphans();
  // Whoever says so comes after the close: the number may be another thread's by
  // now, and stands for what that thread has opened.
  if (!HostsAnswer(fd)) Adopted().erase(fd);
  const auto found = Processes().find(fd);
  if (found == Processes().end() || LeadsTo(fd, found->second)) return;
  const Process process = found->second;
  Processes().erase(found);
  LostDescriptor(fd, process);
}

pid_t pdfork(int* fd, int flags) {
  if ((flags & ~(PD_DAEMON | PD_CLOEXEC)) != 0) return Fail(EINVAL);
  // The kernel has the descriptor before the child, and no child without one.
  const int reserved = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (reserved < 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    close(reserved);
    return 0;
  }
  int error = errno;
  close(reserved);
  if (pid < 0) return Fail(error);
  // Close-on-exec by nature. The child is not reaped yet: the number is its own.
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) {
    error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return Fail(error);
  }
  if ((flags & PD_CLOEXEC) == 0) fcntl(descriptor, F_SETFD, 0);
  simulation::DescriptorTable().Forget(descriptor);
  const std::lock_guard lock(processes_mutex);
  ReapOrphans();
  Adopted().erase(descriptor);
  Own(descriptor, Process{pid, (flags & PD_DAEMON) != 0});
  *fd = descriptor;
  return pid;
}

int pdgetpid(int fd, pid_t* pid) {
  const int refused = simulation::CheckRight(fd, CAP_PDGETPID);
  if (refused != 0) return Fail(refused);
  const std::optional<pid_t> found = simulation::ProcessOf(fd);
  if (!found) return Fail(EBADF);
  *pid = *found;
  return 0;
}

int pdkill(int fd, int signal) {
  if (signal < 0 || signal > 128) return Fail(EINVAL);
  const int refused = simulation::CheckRight(fd, CAP_PDKILL);
  if (refused != 0) return Fail(refused);
  if (!simulation::ProcessOf(fd)) return Fail(EINVAL);
  return static_cast<int>(syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0));
}

int pdwait(int fd, int* status, int options, struct __wrusage* usage, void*) {
  if ((options & (WEXITED | WUNTRACED | WCONTINUED)) == 0) return Fail(EINVAL);
  const int refused = simulation::CheckRight(fd, CAP_PDWAIT);
  if (refused != 0) return Fail(refused);
  if (!simulation::ProcessOf(fd)) return Fail(EINVAL);
  siginfo_t info = {};
  struct rusage self = {};
  if (WaitFor(fd, &info, options, &self) != 0) {
    // Reaped, or another process's child.
    return Fail(errno == ECHILD ? ESRCH : errno);
  }
  if (info.si_pid == 0) return Fail(EWOULDBLOCK);
  if (status != nullptr) *status = StatusOf(info);
  if (usage != nullptr) usage->wru_self = self;
  const bool ended = info.si_code != CLD_STOPPED && info.si_code != CLD_CONTINUED;
  if (ended && (options & WNOWAIT) == 0) {
    const std::lock_guard lock(processes_mutex);
    // Whichever descriptor this was: the number may be another process's from now on.
    for (auto& [_, process] : Processes()) {
      if (process.pid != info.si_pid || process.reaped) continue;
      process.reaped = true;
      process.status = StatusOf(info);
    }
  }
  return 0;
}
