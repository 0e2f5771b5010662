// What a descriptor's rights allow, of the calls that both kernels have.

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/capsicum.h>
#include <sys/procdesc.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "../../../native/child_calls.h"
#include "../../../native/directory_calls.h"
#include "questions.h"

namespace questions {

namespace {

constexpr char kDirectory[] = "directory";
constexpr char kProcess[] = "process descriptor";

struct Mode {
  const char* name;
  const char* path;
  int flags;
};

constexpr Mode kModes[] = {
    {"openat O_RDONLY", "file", O_RDONLY},
    {"openat O_WRONLY", "file", O_WRONLY},
    {"openat O_RDWR", "file", O_RDWR},
    {"openat O_WRONLY|O_APPEND", "file", O_WRONLY | O_APPEND},
    {"openat O_RDWR|O_APPEND", "file", O_RDWR | O_APPEND},
    {"openat O_RDONLY|O_TRUNC", "file", O_RDONLY | O_TRUNC},
    {"openat O_WRONLY|O_TRUNC", "file", O_WRONLY | O_TRUNC},
    {"openat O_WRONLY|O_APPEND|O_TRUNC", "file", O_WRONLY | O_APPEND | O_TRUNC},
    {"openat O_RDONLY|O_CREAT of a new file", "new", O_RDONLY | O_CREAT},
    {"openat O_WRONLY|O_CREAT of a new file", "new", O_WRONLY | O_CREAT},
    {"openat O_WRONLY|O_CREAT of an old file", "file", O_WRONLY | O_CREAT},
    {"openat O_WRONLY|O_CREAT|O_EXCL of a new file", "new", O_WRONLY | O_CREAT | O_EXCL},
    {"openat O_WRONLY|O_CREAT|O_EXCL of an old file", "file", O_WRONLY | O_CREAT | O_EXCL},
    {"openat O_WRONLY|O_CREAT|O_TRUNC", "new", O_WRONLY | O_CREAT | O_TRUNC},
    {"openat O_WRONLY|O_CREAT|O_APPEND", "new", O_WRONLY | O_CREAT | O_APPEND},
    {"openat O_RDWR|O_CREAT|O_EXCL|O_APPEND", "new", O_RDWR | O_CREAT | O_EXCL | O_APPEND},
    {"openat O_RDONLY|O_SYNC", "file", O_RDONLY | O_SYNC},
    {"openat O_WRONLY|O_SYNC", "file", O_WRONLY | O_SYNC},
    {"openat O_WRONLY|O_DSYNC", "file", O_WRONLY | O_DSYNC},
    {"openat O_RDONLY|O_NONBLOCK", "file", O_RDONLY | O_NONBLOCK},
    {"openat O_RDONLY|O_DIRECTORY of a directory", "directory", O_RDONLY | O_DIRECTORY},
    {"openat O_RDONLY|O_DIRECTORY of a file", "file", O_RDONLY | O_DIRECTORY},
    {"openat O_WRONLY of a directory", "directory", O_WRONLY},
    {"openat O_RDONLY|O_NOFOLLOW of a link", "link", O_RDONLY | O_NOFOLLOW},
    {"openat O_RDONLY of a link", "link", O_RDONLY},
    {"openat O_RDONLY of nothing", "nothing", O_RDONLY},
    {"openat O_EXEC", "file", O_EXEC},
};

Operation OnDirectory(const char* name, std::function<long(int fd)> call) {
  return {name, kDirectory, OpenDirectory,
          [call](const Folder&, int fd) { return Outcome(call(fd)); }};
}

// With another directory, which has every right.
Operation OnTwo(const char* name, std::function<long(int fd, int other)> call) {
  return {name, kDirectory, OpenDirectory, [call](const Folder& folder, int fd) {
            const int other = OpenDirectory(folder);
            const Answer answer = Outcome(call(fd, other));
            directory_calls::Close(other);
            return answer;
          }};
}

int FreshSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

Operation OnProcess(const char* name, std::function<long(int fd)> call) {
  return {name, kProcess, OpenProcess, [call](const Folder&, int fd) { return Outcome(call(fd)); }};
}

int Stat(int directory, const char* path, bool follow) {
  directory_calls::FileStatus status;
  return directory_calls::StatAt(directory, path, follow, &status);
}

struct kevent UserEvent() {
  struct kevent change = {};
  change.ident = 1;
  change.filter = EVFILT_USER;
  change.flags = EV_ADD;
  return change;
}

// As spawn() does: asks what will be said in the child, then has it said there.
Answer InSpawned(int fd, uint64_t right, const std::function<int()>& call) {
  const int refused = child_calls::Refusal(fd, right);
  if (refused != 0) return ErrorName(refused);
  return InChild([&] { return Outcome(call()); });
}

Answer Execute(int fd) {
  const int refused = child_calls::Refusal(fd, CAP_FEXECVE);
  if (refused != 0) return ErrorName(refused);
  const pid_t child = fork();
  if (child == 0) {
    char name[] = "true";
    char* arguments[] = {name, nullptr};
    char* environment[] = {nullptr};
    child_calls::ExecuteDescriptor(fd, arguments, environment);
    _exit(errno);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status) == 0 ? "ok" : ErrorName(WEXITSTATUS(status));
}

}  // namespace

std::vector<Operation> Operations() {
  using namespace directory_calls;
  std::vector<Operation> list;
  for (const Mode& mode : kModes) {
    list.push_back({mode.name, kDirectory, OpenDirectory, [mode](const Folder&, int fd) {
                      return OutcomeOfOpening(OpenAt(fd, mode.path, mode.flags, 0644));
                    }});
  }
  const auto directory = [&](const char* name, std::function<long(int)> call) {
    list.push_back(OnDirectory(name, std::move(call)));
  };
  const auto two = [&](const char* name, std::function<long(int, int)> call) {
    list.push_back(OnTwo(name, std::move(call)));
  };
  const auto process = [&](const char* name, std::function<long(int)> call) {
    list.push_back(OnProcess(name, std::move(call)));
  };

  directory("getdirentries", [](int fd) { return ReadEntries(fd, [](auto, auto) {}); });
  directory("fstatat", [](int fd) { return Stat(fd, "file", true); });
  directory("fstatat AT_SYMLINK_NOFOLLOW", [](int fd) { return Stat(fd, "link", false); });
  directory("fstatat of nothing", [](int fd) { return Stat(fd, "nothing", true); });
  directory("faccessat", [](int fd) { return AccessAt(fd, "file", R_OK); });
  directory("mkdirat", [](int fd) { return MakeDirectoryAt(fd, "new", 0755); });
  directory("mkdirat of a name that is taken",
            [](int fd) { return MakeDirectoryAt(fd, "directory", 0755); });
  two("unlinkat", [](int fd, int other) {
    LinkAt(other, "file", other, "new");
    return UnlinkAt(fd, "new", false);
  });
  two("unlinkat AT_REMOVEDIR", [](int fd, int other) {
    MakeDirectoryAt(other, "new", 0755);
    return UnlinkAt(fd, "new", true);
  });
  directory("unlinkat of a directory", [](int fd) { return UnlinkAt(fd, "directory", false); });
  directory("unlinkat AT_REMOVEDIR of a file", [](int fd) { return UnlinkAt(fd, "file", true); });
  directory("unlinkat AT_REMOVEDIR of a directory in use",
            [](int fd) { return UnlinkAt(fd, "directory", true); });
  two("renameat from", [](int fd, int other) {
    LinkAt(other, "file", other, "full");
    return RenameAt(fd, "full", other, "new");
  });
  two("renameat to", [](int fd, int other) {
    LinkAt(other, "file", other, "full");
    return RenameAt(other, "full", fd, "new");
  });
  two("renameat to a name that is taken", [](int fd, int other) {
    MakeDirectoryAt(other, "full", 0755);
    MakeDirectoryAt(other, "new", 0755);
    return RenameAt(other, "full", fd, "new");
  });
  two("renameat within", [](int fd, int other) {
    LinkAt(other, "file", other, "full");
    return RenameAt(fd, "full", fd, "new");
  });
  two("linkat from", [](int fd, int other) { return LinkAt(fd, "file", other, "new"); });
  two("linkat to", [](int fd, int other) { return LinkAt(other, "file", fd, "new"); });
  two("linkat within", [](int fd, int) { return LinkAt(fd, "file", fd, "new"); });
  directory("symlinkat", [](int fd) { return SymlinkAt("file", fd, "new"); });
  directory("readlinkat", [](int fd) {
    char target[100];
    return ReadLinkAt(fd, "link", target, sizeof(target));
  });
  directory("readlinkat of a file", [](int fd) {
    char target[100];
    return ReadLinkAt(fd, "file", target, sizeof(target));
  });
  directory("fchmodat", [](int fd) { return ChangeModeAt(fd, "file", 0700, true); });
  directory("fchownat", [](int fd) {
    return ChangeOwnerAt(fd, "file", static_cast<uid_t>(-1), static_cast<gid_t>(-1), true);
  });
  directory("fchownat to root",
            [](int fd) { return ChangeOwnerAt(fd, "file", 0, static_cast<gid_t>(-1), true); });
  directory("utimensat", [](int fd) {
    const timespec times[2] = {{1, 0}, {2, 0}};
    return SetTimesAt(fd, "file", times, true);
  });
  directory("utimensat AT_SYMLINK_NOFOLLOW", [](int fd) {
    const timespec times[2] = {{1, 0}, {2, 0}};
    return SetTimesAt(fd, "link", times, false);
  });
  directory("bindat in", [](int fd) {
    const int socket = FreshSocket();
    const int result = BindAt(fd, socket, "new");
    const int error = errno;
    Close(socket);
    errno = error;
    return result;
  });
  directory("connectat in", [](int fd) {
    const int socket = FreshSocket();
    const int result = ConnectAt(fd, socket, "socket");
    const int error = errno;
    Close(socket);
    errno = error;
    return result;
  });
  const auto unix_socket = [&](const char* name, std::function<int(int, int)> call) {
    list.push_back({name, "unix socket", [](const Folder&) { return FreshSocket(); },
                    [call](const Folder& folder, int fd) {
                      const int directory = OpenDirectory(folder);
                      const Answer answer = Outcome(call(directory, fd));
                      Close(directory);
                      return answer;
                    }});
  };
  unix_socket("bindat with", [](int directory, int fd) { return BindAt(directory, fd, "new"); });
  unix_socket("connectat with",
              [](int directory, int fd) { return ConnectAt(directory, fd, "socket"); });
  list.push_back({"fchdir", kDirectory, OpenDirectory, [](const Folder&, int fd) {
                    return InSpawned(fd, CAP_FCHDIR,
                                     [fd] { return child_calls::ChangeDirectoryTo(fd); });
                  }});
  list.push_back({"fexecve", "executable",
                  [](const Folder&) { return open("/usr/bin/true", O_RDONLY | O_CLOEXEC); },
                  [](const Folder&, int fd) { return Execute(fd); }});

  process("pdkill", [](int fd) { return pdkill(fd, 0); });
  process("pdgetpid", [](int fd) {
    pid_t pid = 0;
    return pdgetpid(fd, &pid);
  });
  process("pdwait of a running process", [](int fd) {
    int status = 0;
    return WaitForProcess(fd, &status, WEXITED | WNOHANG);
  });
  process("kevent on EVFILT_PROCDESC", [](int fd) {
    const int queue = kqueue();
    struct kevent change = {};
    change.ident = static_cast<uintptr_t>(fd);
    change.filter = EVFILT_PROCDESC;
    change.flags = EV_ADD;
    change.fflags = NOTE_EXIT;
    const int result = kevent(queue, &change, 1, nullptr, 0, nullptr);
    const int error = errno;
    Close(queue);
    errno = error;
    return result;
  });

  const auto queue = [&](const char* name, std::function<int(int)> call) {
    list.push_back({name, "kqueue", [](const Folder&) { return kqueue(); },
                    [call](const Folder&, int fd) { return Outcome(call(fd)); }});
  };
  static constexpr timespec kNow = {0, 0};
  queue("kevent with changes", [](int fd) {
    const struct kevent change = UserEvent();
    return kevent(fd, &change, 1, nullptr, 0, &kNow);
  });
  queue("kevent for events", [](int fd) {
    struct kevent event;
    return kevent(fd, nullptr, 0, &event, 1, &kNow);
  });
  queue("kevent with changes and for events", [](int fd) {
    const struct kevent change = UserEvent();
    struct kevent event;
    return kevent(fd, &change, 1, &event, 1, &kNow);
  });
  queue("kevent with neither", [](int fd) { return kevent(fd, nullptr, 0, nullptr, 0, &kNow); });

  // What is always allowed.
  const auto file = [&](const char* name, std::function<long(int)> call) {
    list.push_back(
        {name, "file", OpenFile, [call](const Folder&, int fd) { return Outcome(call(fd)); }});
  };
  file("cap_rights_get", [](int fd) {
    cap_rights_t rights;
    return cap_rights_get(fd, &rights);
  });
  file("cap_rights_limit to what it has", [](int fd) {
    cap_rights_t rights;
    cap_rights_get(fd, &rights);
    return cap_rights_limit(fd, &rights);
  });
  file("cap_rights_limit to every right", [](int fd) {
    cap_rights_t rights;
    const int fresh = open("/dev/null", O_RDONLY);
    cap_rights_get(fresh, &rights);
    Close(fresh);
    return cap_rights_limit(fd, &rights);
  });
  file("cap_ioctls_get", [](int fd) { return cap_ioctls_get(fd, nullptr, 0); });
  file("cap_ioctls_limit to one", [](int fd) {
    const cap_ioctl_t command = 0x20006601;
    return cap_ioctls_limit(fd, &command, 1);
  });
  file("cap_ioctls_limit to none", [](int fd) { return cap_ioctls_limit(fd, nullptr, 0); });
  file("cap_fcntls_get", [](int fd) {
    uint32_t mask = 0;
    return cap_fcntls_get(fd, &mask);
  });
  file("cap_fcntls_limit to getfl", [](int fd) { return cap_fcntls_limit(fd, CAP_FCNTL_GETFL); });
  file("cap_fcntls_limit to none", [](int fd) { return cap_fcntls_limit(fd, 0); });
  list.push_back({"fcntl F_DUPFD_CLOEXEC", "file", OpenFile, [](const Folder&, int fd) {
                    return OutcomeOfOpening(child_calls::Duplicate(fd));
                  }});
  return list;
}

}  // namespace questions
