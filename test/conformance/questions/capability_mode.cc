// What the calls that the package makes give in capability mode.

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capsicum.h>
#include <sys/jail.h>
#include <sys/procctl.h>
#include <sys/procdesc.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "../../../native/child_calls.h"
#include "../../../native/directory_calls.h"
#include "questions.h"

namespace questions {

namespace {

Question InMode(const char* name, std::function<Answer()> ask) {
  return {name, [ask] {
            if (cap_enter() != 0) return ErrorName(errno);
            return ask();
          }};
}

// With a directory that was opened before, with every right or without one.
Question InDirectory(const char* name, std::function<Answer(int)> ask) {
  return {name, [ask] {
            const Folder folder;
            const int directory = OpenDirectory(folder);
            // The folder is removed by who can.
            return InChild([&] {
              if (cap_enter() != 0) return ErrorName(errno);
              return ask(directory);
            });
          }};
}

template <typename Value>
Answer AskSysctl(const char* name) {
  Value value = {};
  size_t length = sizeof(value);
  return Outcome(sysctlbyname(name, &value, &length, nullptr, 0));
}

struct Text {
  char characters[512];
};

Answer ExecuteOpened(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "no " + std::string(path);
  return InChild([fd] {
    if (cap_enter() != 0) return ErrorName(errno);
    char name[] = "program";
    char* arguments[] = {name, nullptr};
    char* environment[] = {nullptr};
    child_calls::ExecuteDescriptor(fd, arguments, environment);
    return ErrorName(errno);
  });
}

iovec Parameter(const char* text) { return {const_cast<char*>(text), strlen(text) + 1}; }

}  // namespace

std::vector<Question> CapabilityModeQuestions() {
  using namespace directory_calls;
  return {
      {"cap_getmode, before",
       [] {
         unsigned int mode = 9;
         cap_getmode(&mode);
         return std::to_string(mode);
       }},
      InMode("cap_getmode",
             [] {
               unsigned int mode = 9;
               cap_getmode(&mode);
               return std::to_string(mode);
             }),
      InMode("cap_enter, again", [] { return Outcome(cap_enter()); }),
      InMode("cap_getmode, in a child",
             [] {
               return InChild([] {
                 unsigned int mode = 9;
                 cap_getmode(&mode);
                 return std::to_string(mode);
               });
             }),
      {"cap_getmode, in the parent of who entered",
       [] {
         InChild([] { return Outcome(cap_enter()); });
         unsigned int mode = 9;
         cap_getmode(&mode);
         return std::to_string(mode);
       }},
      {"cap_rights_limit",
       [] {
         const int fd = open("/dev/null", O_RDWR);
         const cap_rights_t rights = {{CAP_READ, CAPRIGHT(1, 0)}};
         cap_enter();
         return Outcome(cap_rights_limit(fd, &rights));
       }},
      InMode("kqueue", [] { return Outcome(kqueue()); }),
      InMode("kevent with EVFILT_USER",
             [] {
               struct kevent change = {};
               change.filter = EVFILT_USER;
               change.flags = EV_ADD;
               return Outcome(kevent(kqueue(), &change, 1, nullptr, 0, nullptr));
             }),
      InMode("kevent with EVFILT_JAIL",
             [] {
               struct kevent change = {};
               change.filter = EVFILT_JAIL;
               change.flags = EV_ADD;
               change.fflags = NOTE_JAIL_SET;
               return Outcome(kevent(kqueue(), &change, 1, nullptr, 0, nullptr));
             }),
      InMode("chdir", [] { return Outcome(child_calls::ChangeDirectory("/")); }),
      InDirectory("fchdir", [](int fd) { return Outcome(child_calls::ChangeDirectoryTo(fd)); }),
      InMode("setgroups",
             [] {
               const gid_t group = getgid();
               return Outcome(child_calls::SetGroups(1, &group));
             }),
      InMode("execve",
             [] {
               char name[] = "true";
               char* arguments[] = {name, nullptr};
               char* environment[] = {nullptr};
               return Outcome(child_calls::Execute("/usr/bin/true", arguments, environment));
             }),
      {"fexecve of a dynamic executable", [] { return ExecuteOpened("/usr/bin/true"); }},
      {"fexecve of a script",
       [] {
         const Folder folder;
         const std::string path = folder.at("new");
         const int fd = open(path.c_str(), O_CREAT | O_WRONLY, 0755);
         const char text[] = "#!/bin/sh\nexit 0\n";
         if (write(fd, text, sizeof(text) - 1) < 0) abort();
         close(fd);
         return ExecuteOpened(path.c_str());
       }},
      {"fexecve of a file that is no program",
       [] {
         const Folder folder;
         return ExecuteOpened(folder.at("file").c_str());
       }},
      InMode("jail_attach", [] { return Outcome(child_calls::AttachJail(1)); }),
      InMode("jail_set with a jail descriptor",
             [] { return Outcome(child_calls::AttachJailDescriptor(900)); }),
      InMode("jail_get", [] { return Outcome(child_calls::FindJail("0")); }),
      InMode("jail_set",
             [] {
               iovec parameters[] = {Parameter("persist"), {nullptr, 0}};
               return Outcome(jail_set(parameters, 2, JAIL_CREATE));
             }),
      InMode("jail_remove", [] { return Outcome(jail_remove(1)); }),
      InMode("sysctl kern.osreldate", [] { return AskSysctl<int>("kern.osreldate"); }),
      InMode("sysctl kern.osrelease", [] { return AskSysctl<Text>("kern.osrelease"); }),
      InMode("sysctl kern.ps_strings", [] { return AskSysctl<unsigned long>("kern.ps_strings"); }),
      InMode("sysctl security.jail.jailed", [] { return AskSysctl<int>("security.jail.jailed"); }),
      InMode("sysctl security.jail.param.path, of its node",
             [] {
               int oid[CTL_MAXNAME];
               size_t length = CTL_MAXNAME;
               return Outcome(sysctlnametomib("security.jail.param", oid, &length));
             }),
      InMode("sysctl kern.proc.filedesc, its length",
             [] {
               const int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, getpid()};
               size_t length = 0;
               return Outcome(sysctl(name, 4, nullptr, &length, nullptr, 0));
             }),
      InMode("sysctl kern.proc.filedesc",
             [] {
               const int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, getpid()};
               std::vector<char> records(1 << 20);
               size_t length = records.size();
               return Outcome(sysctl(name, 4, records.data(), &length, nullptr, 0));
             }),
      InMode("sysctl kern.proc.nfds",
             [] {
               const int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_NFDS, 0};
               int count = 0;
               size_t length = sizeof(count);
               return Outcome(sysctl(name, 4, &count, &length, nullptr, 0));
             }),
      InMode("procctl PROC_NO_NEW_PRIVS_CTL",
             [] {
               int enable = PROC_NO_NEW_PRIVS_ENABLE;
               return Outcome(procctl(P_PID, 0, PROC_NO_NEW_PRIVS_CTL, &enable));
             }),
      InMode("procctl PROC_TRACE_CTL",
             [] {
               int disable = PROC_TRACE_CTL_DISABLE_EXEC;
               return Outcome(procctl(P_PID, 0, PROC_TRACE_CTL, &disable));
             }),
      InMode("procctl PROC_TRACE_STATUS",
             [] {
               int status = 0;
               return Outcome(procctl(P_PID, 0, PROC_TRACE_STATUS, &status));
             }),
      InMode("openat of the working directory",
             [] { return OutcomeOfOpening(OpenAt(AT_FDCWD, ".", O_RDONLY, 0)); }),
      InMode("fstatat of the working directory",
             [] {
               FileStatus status;
               return Outcome(StatAt(AT_FDCWD, ".", true, &status));
             }),
      InDirectory("openat",
                  [](int fd) { return OutcomeOfOpening(OpenAt(fd, "file", O_RDONLY, 0)); }),
      InDirectory(
          "openat O_CREAT",
          [](int fd) { return OutcomeOfOpening(OpenAt(fd, "new", O_WRONLY | O_CREAT, 0644)); }),
      InDirectory("fstatat",
                  [](int fd) {
                    FileStatus status;
                    return Outcome(StatAt(fd, "file", true, &status));
                  }),
      InDirectory("faccessat", [](int fd) { return Outcome(AccessAt(fd, "file", R_OK)); }),
      InDirectory("mkdirat", [](int fd) { return Outcome(MakeDirectoryAt(fd, "new", 0755)); }),
      InDirectory("unlinkat", [](int fd) { return Outcome(UnlinkAt(fd, "file", false)); }),
      InDirectory("renameat", [](int fd) { return Outcome(RenameAt(fd, "file", fd, "new")); }),
      InDirectory("linkat", [](int fd) { return Outcome(LinkAt(fd, "file", fd, "new")); }),
      InDirectory("symlinkat", [](int fd) { return Outcome(SymlinkAt("file", fd, "new")); }),
      InDirectory("readlinkat",
                  [](int fd) {
                    char target[100];
                    return Outcome(ReadLinkAt(fd, "link", target, sizeof(target)));
                  }),
      InDirectory("fchmodat", [](int fd) { return Outcome(ChangeModeAt(fd, "file", 0700, true)); }),
      InDirectory("fchownat",
                  [](int fd) {
                    return Outcome(
                        ChangeOwnerAt(fd, "file", getuid(), static_cast<gid_t>(-1), true));
                  }),
      InDirectory("utimensat",
                  [](int fd) {
                    const timespec times[2] = {{1, 0}, {2, 0}};
                    return Outcome(SetTimesAt(fd, "file", times, true));
                  }),
      InDirectory("getdirentries",
                  [](int fd) { return Outcome(ReadEntries(fd, [](auto, auto) {})); }),
      InDirectory(
          "bindat",
          [](int fd) { return Outcome(BindAt(fd, socket(AF_UNIX, SOCK_STREAM, 0), "new")); }),
      InDirectory(
          "connectat",
          [](int fd) { return Outcome(ConnectAt(fd, socket(AF_UNIX, SOCK_STREAM, 0), "socket")); }),
  };
}

}  // namespace questions
