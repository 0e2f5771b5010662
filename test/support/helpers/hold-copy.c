// Makes the process of the number given fork, by ptrace(2), and keeps the copy
// stopped: it has every descriptor that the process has, and keeps them open when
// the process ends. What root can do to a supervisor that holds a jail.
//
// Says "held" when it is done, and ends, with the copy, when it is killed.

#include <sys/types.h>
// Keep this order: sys/ptrace.h needs sys/types.h.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Since FreeBSD 14.1.
#ifndef PT_SC_REMOTE
#define PT_SC_REMOTE 44
#endif

struct remote_call {
  struct {
    long returned[2];
    int error;
  } result;
  unsigned int number;
  unsigned int count;
  unsigned long* arguments;
};

static void call(int request, pid_t pid, void* address, int data) {
  if (ptrace(request, pid, address, data) == 0) return;
  fprintf(stderr, "ptrace %d: %d\n", request, errno);
  exit(1);
}

// Another system call can be made where one has just ended; in the middle of one
// that waits it is EBUSY. The first thread whose call ends will do.
static void wait_for_end_of_call(pid_t pid) {
  int status;
  call(PT_TO_SCX, pid, (void*)1, 0);
  if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) exit(1);
  // A signal came first: it is kept back, and the next stop looked at.
  if (WSTOPSIG(status) != SIGTRAP) wait_for_end_of_call(pid);
}

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const pid_t pid = atoi(arguments[1]);
  int status;
  call(PT_ATTACH, pid, NULL, 0);
  if (waitpid(pid, &status, 0) != pid) return 1;
  wait_for_end_of_call(pid);
  // The copy is traced, and so stopped, from its beginning.
  call(PT_FOLLOW_FORK, pid, NULL, 1);
  struct remote_call request = {{{0, 0}, 0}, SYS_fork, 0, NULL};
  call(PT_SC_REMOTE, pid, (void*)&request, sizeof(request));
  const pid_t copy = (pid_t)request.result.returned[0];
  if (request.result.error != 0 || copy <= 0) {
    fprintf(stderr, "fork: %d\n", request.result.error);
    return 1;
  }
  waitpid(pid, &status, WNOHANG);
  if (waitpid(copy, &status, 0) != copy) return 1;
  call(PT_DETACH, pid, (void*)1, 0);
  printf("{\"held\":%d}\n", (int)copy);
  fflush(stdout);
  for (;;) pause();
}
