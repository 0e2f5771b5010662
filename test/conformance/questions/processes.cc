// Process descriptors: what each call on one gives, in which state of the
// process, in capability mode and out of it.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/capsicum.h>
#include <sys/procdesc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "../../../native/child_calls.h"
#include "../../../native/directory_calls.h"
#include "questions.h"

namespace questions {

namespace {

Answer StatusText(int status) {
  if (WIFEXITED(status)) return "exit " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  if (WIFSTOPPED(status)) return WSTOPSIG(status) == SIGSTOP ? "stopped by SIGSTOP" : "stopped";
  return WIFCONTINUED(status) ? "continued" : "status " + std::to_string(status);
}

int Sleeper() {
  int fd = -1;
  if (StartSleeper(&fd, PD_CLOEXEC) < 0) abort();
  return fd;
}

int StartExiting(int code) {
  int fd = -1;
  const pid_t pid = pdfork(&fd, PD_CLOEXEC);
  if (pid < 0) abort();
  if (pid == 0) _exit(code);
  return fd;
}

int Ended() {
  const int fd = StartExiting(7);
  AwaitEnd(fd);
  return fd;
}

Answer Wait(int fd, int options) {
  int status = 0;
  return WaitForProcess(fd, &status, options) == 0 ? StatusText(status) : ErrorName(errno);
}

// Asks again until something has changed: in 15.1 nothing wakes a pdwait(2) that
// sleeps when its process stops or goes on.
Answer WaitForChange(int fd, int options) {
  for (int attempt = 0; attempt < 2000; attempt++) {
    const Answer answer = Wait(fd, options | WNOHANG);
    if (answer != "EAGAIN") return answer;
    usleep(10000);
  }
  return "nothing";
}

int Reaped() {
  const int fd = Ended();
  if (Wait(fd, WEXITED) != "exit 7") abort();
  return fd;
}

Answer GetPid(int fd) {
  pid_t pid = 0;
  return pdgetpid(fd, &pid) == 0 ? (pid > 0 ? "a number" : "no number") : ErrorName(errno);
}

Answer Reap(int fd) {
  int status = 0;
  struct rusage usage;
  return child_calls::Reap(fd, &status, &usage) == 0 ? StatusText(status) : ErrorName(errno);
}

// Of one event on a process descriptor that is added, and waited for.
Answer Event(int fd, unsigned int wanted, unsigned short flags = 0) {
  const int queue = kqueue();
  struct kevent change = {};
  change.ident = static_cast<uintptr_t>(fd);
  change.filter = EVFILT_PROCDESC;
  change.flags = static_cast<unsigned short>(EV_ADD | flags);
  change.fflags = wanted;
  struct kevent event = {};
  const timespec moment = {0, 200000000};
  const int count = kevent(queue, &change, 1, &event, 1, &moment);
  if (count < 0) return ErrorName(errno);
  if (count == 0) return "nothing";
  if ((event.flags & EV_ERROR) != 0) {
    return "receipt " + (event.data == 0 ? "ok" : ErrorName(static_cast<int>(event.data)));
  }
  char text[100];
  snprintf(text, sizeof(text), "%s, fflags %x, flags %x",
           StatusText(static_cast<int>(event.data)).c_str(), event.fflags, event.flags);
  return text;
}

struct Watched {
  int process = -1;
  // The process holds the other end.
  int end = -1;
  bool Lives(int milliseconds) const {
    struct pollfd waiting = {end, POLLIN, 0};
    return poll(&waiting, 1, milliseconds) == 0;
  }
};

// A process that holds a pipe, so that its end is seen.
Watched StartWatched(int flags) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  Watched watched;
  const pid_t pid = pdfork(&watched.process, flags);
  if (pid == 0) {
    close(ends[0]);
    alarm(30);
    for (;;) pause();
  }
  close(ends[1]);
  watched.end = ends[0];
  return watched;
}

constexpr int kSoon = 300;
constexpr int kInTheEnd = 20000;

Answer InMode(const std::function<Answer()>& question) {
  if (cap_enter() != 0) return ErrorName(errno);
  return question();
}

}  // namespace

std::vector<Question> ProcessQuestions() {
  return {
      {"pdkill with 0, running", [] { return Outcome(pdkill(Sleeper(), 0)); }},
      {"pdkill with 0, ended", [] { return Outcome(pdkill(Ended(), 0)); }},
      {"pdkill with 0, reaped", [] { return Outcome(pdkill(Reaped(), 0)); }},
      {"pdkill with SIGTERM, ended", [] { return Outcome(pdkill(Ended(), SIGTERM)); }},
      {"pdkill with SIGTERM, reaped", [] { return Outcome(pdkill(Reaped(), SIGTERM)); }},
      {"pdkill with -1", [] { return Outcome(pdkill(Sleeper(), -1)); }},
      {"pdkill with 1000", [] { return Outcome(pdkill(Sleeper(), 1000)); }},
      {"pdkill with 1000, of a file",
       [] {
         const Folder folder;
         return Outcome(pdkill(OpenFile(folder), 1000));
       }},
      {"pdkill of a file",
       [] {
         const Folder folder;
         return Outcome(pdkill(OpenFile(folder), 0));
       }},
      {"pdkill of a closed descriptor", [] { return Outcome(pdkill(900, 0)); }},
      {"pdkill of -1", [] { return Outcome(pdkill(-1, 0)); }},
      {"pdgetpid, running",
       [] {
         int fd = -1;
         const pid_t pid = StartSleeper(&fd, PD_CLOEXEC);
         pid_t told = 0;
         if (pdgetpid(fd, &told) != 0) return ErrorName(errno);
         return Answer(told == pid ? "what pdfork gave" : "another number");
       }},
      {"pdgetpid, ended", [] { return GetPid(Ended()); }},
      {"pdgetpid, reaped", [] { return GetPid(Reaped()); }},
      {"pdgetpid of a file",
       [] {
         const Folder folder;
         return GetPid(OpenFile(folder));
       }},
      {"pdgetpid of a closed descriptor", [] { return GetPid(900); }},
      {"pdfork with an unknown flag",
       [] {
         int fd = -1;
         const pid_t pid = pdfork(&fd, 0x40000000);
         if (pid == 0) _exit(0);
         return Outcome(pid);
       }},
      {"pdfork without PD_CLOEXEC",
       [] {
         int fd = -1;
         if (StartSleeper(&fd, 0) < 0) return ErrorName(errno);
         return std::to_string(fcntl(fd, F_GETFD));
       }},
      {"pdfork with PD_CLOEXEC", [] { return std::to_string(fcntl(Sleeper(), F_GETFD)); }},
      {"reap, running", [] { return Reap(Sleeper()); }},
      {"reap, ended", [] { return Reap(Ended()); }},
      {"reap, reaped", [] { return Reap(Reaped()); }},
      {"reap of a file",
       [] {
         const Folder folder;
         return Reap(OpenFile(folder));
       }},
      {"reap of a closed descriptor", [] { return Reap(900); }},
      {"pdwait with no options", [] { return Wait(Ended(), 0); }},
      {"pdwait with WNOHANG alone", [] { return Wait(Ended(), WNOHANG); }},
      {"pdwait with an unknown option", [] { return Wait(Ended(), WEXITED | 0x10000); }},
      {"pdwait with WNOWAIT", [] { return Wait(Ended(), WEXITED | WNOHANG | WNOWAIT); }},
      {"pdwait with WNOWAIT, then without",
       [] {
         const int fd = Ended();
         Wait(fd, WEXITED | WNOWAIT);
         return Wait(fd, WEXITED);
       }},
      {"pdwait, exit 255", [] { return Wait(StartExiting(255), WEXITED); }},
      {"pdwait, exit 256", [] { return Wait(StartExiting(256), WEXITED); }},
      {"pdwait, killed",
       [] {
         const int fd = Sleeper();
         pdkill(fd, SIGKILL);
         return Wait(fd, WEXITED);
       }},
      {"pdwait, ended by SIGTERM",
       [] {
         const int fd = Sleeper();
         pdkill(fd, SIGTERM);
         return Wait(fd, WEXITED);
       }},
      {"pdwait for a stop",
       [] {
         const int fd = Sleeper();
         pdkill(fd, SIGSTOP);
         return WaitForChange(fd, WUNTRACED);
       }},
      {"pdwait for a stop, twice",
       [] {
         const int fd = Sleeper();
         pdkill(fd, SIGSTOP);
         WaitForChange(fd, WUNTRACED);
         return Wait(fd, WUNTRACED | WNOHANG);
       }},
      {"pdwait for an end, stopped",
       [] {
         const int fd = Sleeper();
         pdkill(fd, SIGSTOP);
         WaitForChange(fd, WUNTRACED | WNOWAIT);
         return Wait(fd, WEXITED | WNOHANG);
       }},
      {"pdwait for a continuation",
       [] {
         const int fd = Sleeper();
         pdkill(fd, SIGSTOP);
         WaitForChange(fd, WUNTRACED);
         pdkill(fd, SIGCONT);
         return WaitForChange(fd, WCONTINUED);
       }},
      {"kevent, ends later",
       [] {
         const int fd = Sleeper();
         pdkill(fd, SIGKILL);
         return Event(fd, NOTE_EXIT);
       }},
      {"kevent, running", [] { return Event(Sleeper(), NOTE_EXIT); }},
      {"kevent, ended", [] { return Event(Ended(), NOTE_EXIT); }},
      {"kevent, reaped", [] { return Event(Reaped(), NOTE_EXIT); }},
      {"kevent, ended, EV_CLEAR", [] { return Event(Ended(), NOTE_EXIT, EV_CLEAR); }},
      {"kevent, ended, EV_ONESHOT", [] { return Event(Ended(), NOTE_EXIT, EV_ONESHOT); }},
      {"kevent, ended, EV_RECEIPT", [] { return Event(Ended(), NOTE_EXIT, EV_RECEIPT); }},
      {"kevent, ended, nothing wanted", [] { return Event(Ended(), 0); }},
      {"kevent of a file",
       [] {
         const Folder folder;
         return Event(OpenFile(folder), NOTE_EXIT);
       }},
      {"kevent of a closed descriptor", [] { return Event(900, NOTE_EXIT); }},
      {"kevent of a file, EV_RECEIPT",
       [] {
         const Folder folder;
         return Event(OpenFile(folder), NOTE_EXIT, EV_RECEIPT);
       }},
      {"kevent, after it was reaped",
       [] {
         const int fd = Ended();
         const Answer first = Event(fd, NOTE_EXIT);
         return first + ", then " + Reap(fd);
       }},
      {"a running process",
       [] { return Answer(StartWatched(PD_CLOEXEC).Lives(kSoon) ? "lives" : "is gone"); }},
      {"close, running",
       [] {
         const Watched watched = StartWatched(PD_CLOEXEC);
         child_calls::CloseProcess(watched.process);
         return Answer(watched.Lives(kInTheEnd) ? "lives" : "is gone");
       }},
      {"close, running, PD_DAEMON",
       [] {
         const Watched watched = StartWatched(PD_CLOEXEC | PD_DAEMON);
         child_calls::CloseProcess(watched.process);
         return Answer(watched.Lives(kSoon) ? "lives" : "is gone");
       }},
      {"pdkill, PD_DAEMON",
       [] {
         const Watched watched = StartWatched(PD_CLOEXEC | PD_DAEMON);
         pdkill(watched.process, SIGKILL);
         return Answer(watched.Lives(kInTheEnd) ? "lives" : "is gone");
       }},
      {"close of the one of two descriptors",
       [] {
         const Watched watched = StartWatched(PD_CLOEXEC);
         const int copy = child_calls::Duplicate(watched.process);
         child_calls::CloseProcess(watched.process);
         return std::string(watched.Lives(kSoon) ? "lives" : "is gone") +
                ", pdkill of the other: " + Outcome(pdkill(copy, 0));
       }},
      {"close of the copy",
       [] {
         const Watched watched = StartWatched(PD_CLOEXEC);
         child_calls::CloseProcess(child_calls::Duplicate(watched.process));
         return std::string(watched.Lives(kSoon) ? "lives" : "is gone");
       }},
      {"close of both",
       [] {
         const Watched watched = StartWatched(PD_CLOEXEC);
         const int copy = child_calls::Duplicate(watched.process);
         child_calls::CloseProcess(watched.process);
         child_calls::CloseProcess(copy);
         return Answer(watched.Lives(kInTheEnd) ? "lives" : "is gone");
       }},
      {"capability mode: pdfork",
       [] {
         return InMode([] {
           int fd = -1;
           return Outcome(StartSleeper(&fd, PD_CLOEXEC) < 0 ? -1 : 0);
         });
       }},
      {"capability mode: pdfork, reap",
       [] { return InMode([] { return Wait(StartExiting(3), WEXITED); }); }},
      {"capability mode: pdkill",
       [] {
         const int fd = Sleeper();
         return InMode([fd] { return Outcome(pdkill(fd, SIGKILL)); });
       }},
      {"capability mode: pdkill, then reap",
       [] {
         const int fd = Sleeper();
         return InMode([fd] {
           pdkill(fd, SIGKILL);
           return Wait(fd, WEXITED);
         });
       }},
      {"capability mode: pdgetpid",
       [] {
         const int fd = Sleeper();
         return InMode([fd] { return GetPid(fd); });
       }},
      {"capability mode: kevent",
       [] {
         const int fd = Ended();
         return InMode([fd] { return Event(fd, NOTE_EXIT); });
       }},
      {"capability mode: close",
       [] {
         const Watched watched = StartWatched(PD_CLOEXEC);
         return InMode([&] {
           child_calls::CloseProcess(watched.process);
           return Answer(watched.Lives(kInTheEnd) ? "lives" : "is gone");
         });
       }},
      {"capability mode: the mode of a child of pdfork",
       [] {
         return InMode([] {
           int fd = -1;
           const pid_t pid = pdfork(&fd, PD_CLOEXEC);
           if (pid == 0) {
             unsigned int mode = 0;
             cap_getmode(&mode);
             _exit(static_cast<int>(mode));
           }
           return Wait(fd, WEXITED);
         });
       }},
  };
}

}  // namespace questions
