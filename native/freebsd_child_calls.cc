#include "child_calls.h"

#include <sys/param.h>
// Keep this order: the rest of sys/ needs sys/param.h.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/jail.h>
#include <sys/procdesc.h>
#include <sys/syscall.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "freebsd_compat.h"

namespace {

// sys/unistd.h of 15.1.
constexpr int kRfSpawn = static_cast<int>(1U << 31);
constexpr int kRfProcDesc = 1 << 28;

using Pdrfork = pid_t (*)(int*, int, int);
using PdrforkThread = pid_t (*)(int*, int, int, void*, int (*)(void*), void*);
using Pdwait = int (*)(int, int*, int, struct __wrusage*, struct __siginfo*);

// A newer libc does not make a newer kernel (a jail of a later release), and a
// system call that the kernel does not have is a SIGSYS: so both are asked.
bool KernelIsAtLeast(int wanted) {
  int osreldate = 0;
  size_t length = sizeof(osreldate);
  return sysctlbyname("kern.osreldate", &osreldate, &length, nullptr, 0) == 0 &&
         osreldate >= wanted;
}

template <typename Function>
Function Find(const char* name, int osreldate) {
  if (!KernelIsAtLeast(osreldate)) return nullptr;
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

PdrforkThread FindPdrforkThread() { return Find<PdrforkThread>("pdrfork_thread", 1501000); }

struct Task {
  void (*run)(void*);
  void* argument;
};

int RunTask(void* data) {
  const Task* task = static_cast<const Task*>(data);
  task->run(task->argument);
  return 127;
}

}  // namespace

bool child_calls::CanShareMemory() { return FindPdrforkThread() != nullptr; }

pid_t child_calls::Start(int* fd, int flags, Birth birth, void (*run)(void*), void* argument) {
  Task task = {run, argument};
  const PdrforkThread pdrfork_thread = birth == Birth::kSharing ? FindPdrforkThread() : nullptr;
  if (pdrfork_thread != nullptr) {
#if defined(__amd64__)
    // The child may not return through the parent's frames, so it gets a stack
    // of its own, for as long as the parent stands still.
    std::vector<char> memory(size_t{64} * 1024);
    const auto end = reinterpret_cast<uintptr_t>(memory.data() + memory.size());
    void* stack = reinterpret_cast<void*>(end & ~static_cast<uintptr_t>(15));
#else
    void* stack = nullptr;
#endif
    return pdrfork_thread(fd, flags | PD_CLOEXEC, kRfSpawn, stack, RunTask, &task);
  }
  const Pdrfork pdrfork = birth == Birth::kOrphan ? Find<Pdrfork>("pdrfork", 1501000) : nullptr;
  // RFSPAWN would drop the handlers with the fork itself; here none may run in
  // the child before it has dropped them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = pdrfork != nullptr
                        ? pdrfork(fd, flags | PD_CLOEXEC, RFPROC | kRfProcDesc | RFFDG | RFNOWAIT)
                        : pdfork(fd, flags | PD_CLOEXEC);
  if (pid == 0) _exit(RunTask(&task));
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

int child_calls::ResetSignals() {
  struct sigaction standard;
  memset(&standard, 0, sizeof(standard));
  standard.sa_handler = SIG_DFL;
  // Past libthr, whose sigaction() keeps a table that the parent shares.
  for (int signal = 1; signal <= _SIG_MAXSIG; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    if (syscall(SYS_sigaction, signal, &standard, nullptr) != 0 && errno != EINVAL) return -1;
  }
  sigset_t none;
  memset(&none, 0, sizeof(none));
  return static_cast<int>(syscall(SYS_sigprocmask, SIG_SETMASK, &none, nullptr));
}

int child_calls::ChangeDirectory(const char* path) { return chdir(path); }

int child_calls::ChangeDirectoryTo(int fd) { return fchdir(fd); }

int child_calls::SetGroups(int count, const gid_t* groups) { return setgroups(count, groups); }

int child_calls::AttachJail(int jid) { return jail_attach(jid); }

// Not jail_attach_jd(2): it keeps a reference, and the jail stays for good. And
// it would have to be looked for in the child, which dlsym(3) is not made for.
int child_calls::AttachJailDescriptor(int fd) {
  char name[] = "desc";
  struct iovec request[2];
  request[0].iov_base = name;
  request[0].iov_len = sizeof(name);
  request[1].iov_base = &fd;
  request[1].iov_len = sizeof(fd);
  return jail_set(request, 2, JAIL_UPDATE | JAIL_ATTACH | JAIL_USE_DESC) < 0 ? -1 : 0;
}

int child_calls::Execute(const char* path, char* const arguments[], char* const env[]) {
  return execve(path, arguments, env);
}

int child_calls::ExecuteDescriptor(int fd, char* const arguments[], char* const env[]) {
  return fexecve(fd, arguments, env);
}

int child_calls::FindJail(const char* name) {
  const auto text = [](const char* string) {
    struct iovec vector;
    vector.iov_base = const_cast<char*>(string);
    vector.iov_len = strlen(string) + 1;
    return vector;
  };
  struct iovec request[2] = {text("name"), text(name)};
  return jail_get(request, 2, 0);
}

int child_calls::Refusal(int, uint64_t) { return 0; }

int child_calls::JailRefusal(int, int) { return 0; }

void child_calls::Attached(pid_t, int, int) {}

int child_calls::Reap(int fd, int* status, struct rusage* usage) {
  const Pdwait pdwait = Find<Pdwait>("pdwait", 1501000);
  if (pdwait != nullptr) {
    struct __wrusage usages;
    memset(&usages, 0, sizeof(usages));
    if (pdwait(fd, status, WEXITED | WNOHANG, &usages, nullptr) != 0) return -1;
    *usage = usages.wru_self;
    return 0;
  }
  pid_t pid = 0;
  if (pdgetpid(fd, &pid) != 0) return -1;
  const pid_t reaped = wait4(pid, status, WNOHANG, usage);
  if (reaped == 0) errno = EWOULDBLOCK;
  return reaped > 0 ? 0 : -1;
}

int child_calls::Duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

void child_calls::CloseProcess(int fd) { close(fd); }
