#include "../child_calls.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/capsicum.h>
#include <sys/event.h>
#include <sys/prctl.h>
#include <sys/procdesc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "../executable.h"
#include "descriptor_table.h"
#include "jail_tree.h"
#include "processes.h"

namespace {

int Fail(int error) {
  errno = error;
  return -1;
}

// In a child that is no daemon: who ends it by ending.
pid_t parent_of_child = 0;

// The kernel kills a child with its last descriptor, and closes those with the
// process, however that ends. The host is told to do it; it forgets when the
// child changes its user, so this is said last.
void EndWithParent() {
  if (parent_of_child == 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Gone before that could be said.
  if (getppid() != parent_of_child) raise(SIGKILL);
}

// The jail that this process may attach to; null with errno set.
simulation::Prison* FindAttachable(simulation::JailTree& tree, int jid, int fd) {
  const auto refuse = [](int error) -> simulation::Prison* {
    errno = error;
    return nullptr;
  };
  if (jid == 0) {
    const simulation::JailDescriptor* descriptor = tree.Find(fd);
    if (descriptor == nullptr) return nullptr;
    if (descriptor->prison == nullptr) return refuse(ENOENT);
    return descriptor->privileged ? descriptor->prison : refuse(EPERM);
  }
  if (!simulation::IsPrivileged(tree.Current())) return refuse(EPERM);
  simulation::Prison* prison = tree.FindChild(tree.Current(), jid);
  return prison != nullptr && prison->alive ? prison : refuse(EINVAL);
}

}  // namespace

// The host would kill no thread of the parent for a child that shares its
// memory, but its libc promises nothing there.
bool child_calls::CanShareMemory() { return false; }

pid_t child_calls::Start(int* fd, int flags, Birth, void (*run)(void*), void* argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t parent = getpid();
  const pid_t pid = pdfork(fd, flags | PD_CLOEXEC);
  if (pid == 0) {
    if ((flags & PD_DAEMON) == 0) parent_of_child = parent;
    run(argument);
    _exit(127);
  }
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

int child_calls::ResetSignals() {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  // The host's libc keeps two for itself, and refuses them.
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  return sigprocmask(SIG_SETMASK, &none, nullptr);
}

int child_calls::ChangeDirectory(const char* path) {
  return simulation::InCapabilityMode() ? Fail(ECAPMODE) : chdir(path);
}

int child_calls::ChangeDirectoryTo(int fd) {
  return simulation::InCapabilityMode() ? Fail(ECAPMODE) : fchdir(fd);
}

int child_calls::SetGroups(int count, const gid_t* groups) {
  return simulation::InCapabilityMode() ? Fail(ECAPMODE)
                                        : setgroups(static_cast<size_t>(count), groups);
}

// JailRefusal() has asked the tree, whose lock another thread of the parent may
// have held when the child was made. Of the child itself, only its descriptors
// matter: it keeps the files and the working directory that it has.
int child_calls::AttachJail(int) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  return simulation::HasDirectoryOpen() ? Fail(EPERM) : 0;
}

int child_calls::AttachJailDescriptor(int) { return AttachJail(0); }

int child_calls::Execute(const char* path, char* const arguments[], char* const env[]) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  EndWithParent();
  return execve(path, arguments, env);
}

int child_calls::ExecuteDescriptor(int fd, char* const arguments[], char* const env[]) {
  if (simulation::InCapabilityMode()) {
    const Executable kind = KindOfExecutable(fd);
    if (kind == Executable::kScript) return Fail(ECAPMODE);
    // The kernel misses the run-time linker when there is no way back.
    if (kind == Executable::kDynamic) kill(getpid(), SIGABRT);
  }
  EndWithParent();
  return fexecve(fd, arguments, env);
}

int child_calls::FindJail(const char* name) {
  if (simulation::InCapabilityMode()) return Fail(ECAPMODE);
  simulation::JailTree tree;
  const simulation::Prison* prison = tree.FindName(tree.Current(), name);
  return prison != nullptr && prison->alive ? prison->id : Fail(ENOENT);
}

int child_calls::Refusal(int fd, uint64_t right) { return simulation::CheckRight(fd, right); }

int child_calls::JailRefusal(int jid, int fd) {
  // Left to the child, who says so.
  if (simulation::InCapabilityMode()) return 0;
  simulation::JailTree tree;
  return FindAttachable(tree, jid, fd) == nullptr ? errno : 0;
}

void child_calls::Attached(pid_t pid, int jid, int fd) {
  simulation::JailTree tree;
  simulation::Prison* prison = FindAttachable(tree, jid, fd);
  if (prison == nullptr) {
    // Removed meanwhile by another thread: that kills whoever is in it.
    kill(pid, SIGKILL);
    return;
  }
  // By a descriptor it is a change of the jail as well: jail_set(2).
  if (jid == 0) tree.Post(prison, NOTE_JAIL_SET, 0);
  tree.Join(prison, pid);
}

int child_calls::Reap(int fd, int* status, struct rusage* usage) {
  struct __wrusage usages = {};
  if (pdwait(fd, status, WEXITED | WNOHANG, &usages, nullptr) != 0) return -1;
  *usage = usages.wru_self;
  // It may have been the last one in a jail, which a look at the tree notices.
  simulation::JailTree tree;
  return 0;
}

int child_calls::Duplicate(int fd) {
  simulation::DescriptorTable table;
  const simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) return Fail(EBADF);
  const simulation::Slot copy = *slot;
  const int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) return -1;
  table.Forget(duplicate);
  simulation::Slot* fresh = table.Find(duplicate);
  if (fresh != nullptr) *fresh = copy;
  return duplicate;
}

void child_calls::CloseProcess(int fd) {
  // Before the number is free for another thread.
  simulation::DescriptorTable().Forget(fd);
  close(fd);
  simulation::ProcessClosed(fd);
  // As above.
  simulation::JailTree tree;
}
