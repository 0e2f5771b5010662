// What a new descriptor has of the one it comes from.

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capsicum.h>
#include <sys/filio.h>
#include <sys/procdesc.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../native/child_calls.h"
#include "../../../native/directory_calls.h"
#include "limited.h"
#include "questions.h"

namespace questions {

void Limit(int fd, const std::vector<uint64_t>& rights, bool lists) {
  cap_rights_t set = {{CAPRIGHT(0, 0), CAPRIGHT(1, 0)}};
  for (const uint64_t right : rights) {
    set.cr_rights[(right & CAPRIGHT(1, 0)) != 0 ? 1 : 0] |= right;
  }
  if (cap_rights_limit(fd, &set) != 0) abort();
  if (!lists) return;
  const cap_ioctl_t commands[] = {FIONBIO, FIONREAD};
  if (cap_ioctls_limit(fd, commands, 2) != 0 || cap_fcntls_limit(fd, CAP_FCNTL_GETFL) != 0) abort();
}

Listener::Listener() : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd, 8) != 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    abort();
  }
  port = address.sin_port;
}

int Listener::Connect() const {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = port;
  if (connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) abort();
  return client;
}

namespace {

int LimitedFile(const Folder& folder) {
  const int fd = OpenFile(folder);
  Limit(fd, {CAP_READ, CAP_SEEK, CAP_FSTAT, CAP_IOCTL, CAP_FCNTL, CAP_EVENT}, true);
  return fd;
}

int LimitedDirectory(const Folder& folder, bool lists) {
  const int fd = OpenDirectory(folder);
  Limit(fd, {CAP_LOOKUP, CAP_READ, CAP_WRITE, CAP_CREATE, CAP_SEEK, CAP_IOCTL, CAP_FCNTL}, lists);
  return fd;
}

Answer LimitsOfOpened(int directory, const char* name, int flags) {
  const int fd = directory_calls::OpenAt(directory, name, flags, 0644);
  return fd < 0 ? ErrorName(errno) : Limits(fd);
}

}  // namespace

std::vector<Question> InheritanceQuestions() {
  return {
      {"a new file",
       [] {
         const Folder folder;
         return Limits(OpenFile(folder));
       }},
      {"a new pipe",
       [] {
         int ends[2];
         return pipe(ends) == 0 ? Limits(ends[0]) : ErrorName(errno);
       }},
      {"a new socket", [] { return Limits(socket(AF_INET, SOCK_STREAM, 0)); }},
      {"a new socket pair",
       [] {
         int ends[2];
         return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 ? Limits(ends[1]) : ErrorName(errno);
       }},
      {"a new kqueue", [] { return Limits(kqueue()); }},
      {"a new process descriptor",
       [] {
         const Folder folder;
         return Limits(OpenProcess(folder));
       }},
      {"a limited file",
       [] {
         const Folder folder;
         return Limits(LimitedFile(folder));
       }},
      {"a file with all rights but ioctl",
       [] {
         const Folder folder;
         const int fd = OpenFile(folder);
         cap_rights_t rights;
         cap_rights_get(fd, &rights);
         rights.cr_rights[1] &= ~(CAP_IOCTL & ~CAPRIGHT(1, 0));
         cap_rights_limit(fd, &rights);
         return Limits(fd);
       }},
      {"a file with all rights but fcntl",
       [] {
         const Folder folder;
         const int fd = OpenFile(folder);
         cap_rights_t rights;
         cap_rights_get(fd, &rights);
         rights.cr_rights[0] &= ~(CAP_FCNTL & ~CAPRIGHT(0, 0));
         cap_rights_limit(fd, &rights);
         return Limits(fd);
       }},
      {"a file with no rights",
       [] {
         const Folder folder;
         const int fd = OpenFile(folder);
         Limit(fd, {}, false);
         return Limits(fd);
       }},
      {"F_DUPFD_CLOEXEC",
       [] {
         const Folder folder;
         return Limits(child_calls::Duplicate(LimitedFile(folder)));
       }},
      {"F_DUPFD_CLOEXEC, the original limited afterwards",
       [] {
         const Folder folder;
         const int fd = OpenFile(folder);
         const int copy = child_calls::Duplicate(fd);
         Limit(fd, {CAP_READ}, false);
         return Limits(copy);
       }},
      {"F_DUPFD_CLOEXEC, the copy limited afterwards",
       [] {
         const Folder folder;
         const int fd = OpenFile(folder);
         const int copy = child_calls::Duplicate(fd);
         Limit(copy, {CAP_READ}, false);
         return Limits(fd);
       }},
      {"a number that was limited, closed and opened again",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         directory_calls::Close(fd);
         const int again = OpenFile(folder);
         return again == fd ? Limits(again) : "another number";
       }},
      {"fork, in the child",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         return InChild([fd] { return Limits(fd); });
       }},
      {"fork, in the parent after the child limited",
       [] {
         const Folder folder;
         const int fd = OpenFile(folder);
         InChild([fd] {
           Limit(fd, {CAP_READ}, false);
           return "";
         });
         return Limits(fd);
       }},
      {"pdfork, in the child",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         int ends[2];
         if (pipe(ends) != 0) abort();
         int process = -1;
         if (pdfork(&process, PD_CLOEXEC) == 0) {
           const Answer answer = Limits(fd);
           if (write(ends[1], answer.data(), answer.size()) < 0) _exit(1);
           _exit(0);
         }
         close(ends[1]);
         char text[400] = "";
         const ssize_t length = read(ends[0], text, sizeof(text));
         return std::string(text, length < 0 ? 0 : static_cast<size_t>(length));
       }},
      {"openat in a limited directory, O_RDONLY",
       [] {
         const Folder folder;
         return LimitsOfOpened(LimitedDirectory(folder, false), "file", O_RDONLY);
       }},
      {"openat in a limited directory, O_RDWR",
       [] {
         const Folder folder;
         return LimitsOfOpened(LimitedDirectory(folder, false), "file", O_RDWR);
       }},
      {"openat in a limited directory, O_CREAT",
       [] {
         const Folder folder;
         return LimitsOfOpened(LimitedDirectory(folder, false), "new", O_WRONLY | O_CREAT);
       }},
      {"openat in a limited directory, of a directory",
       [] {
         const Folder folder;
         return LimitsOfOpened(LimitedDirectory(folder, false), "directory",
                               O_RDONLY | O_DIRECTORY);
       }},
      {"openat in a directory with limited ioctls and fcntls",
       [] {
         const Folder folder;
         return LimitsOfOpened(LimitedDirectory(folder, true), "file", O_RDONLY);
       }},
      {"openat in a directory with every right",
       [] {
         const Folder folder;
         return LimitsOfOpened(OpenDirectory(folder), "file", O_RDONLY);
       }},
      {"openat in a directory, twice",
       [] {
         const Folder folder;
         const int inner =
             directory_calls::OpenAt(LimitedDirectory(folder, true), "directory", O_RDONLY, 0);
         return LimitsOfOpened(inner, "inner", O_RDONLY);
       }},
      {"accept, of a limited listener",
       [] {
         const Listener listener;
         Limit(listener.fd, {CAP_ACCEPT, CAP_READ, CAP_WRITE, CAP_IOCTL, CAP_FCNTL}, true);
         listener.Connect();
         return Limits(accept(listener.fd, nullptr, nullptr));
       }},
      {"accept, of a listener limited while the connection waited",
       [] {
         const Listener listener;
         listener.Connect();
         Limit(listener.fd, {CAP_ACCEPT, CAP_READ, CAP_WRITE}, false);
         return Limits(accept(listener.fd, nullptr, nullptr));
       }},
      {"accept, the listener limited afterwards",
       [] {
         const Listener listener;
         listener.Connect();
         const int connection = accept(listener.fd, nullptr, nullptr);
         Limit(listener.fd, {CAP_ACCEPT}, false);
         return Limits(connection);
       }},
      {"accept, what connected",
       [] {
         const Listener listener;
         Limit(listener.fd, {CAP_ACCEPT, CAP_READ, CAP_WRITE}, false);
         return Limits(listener.Connect());
       }},
      {"accept, of a unix socket",
       [] {
         const Folder folder;
         const int directory = OpenDirectory(folder);
         const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
         if (directory_calls::BindAt(directory, listener, "new") != 0 || listen(listener, 8) != 0) {
           return ErrorName(errno);
         }
         Limit(listener, {CAP_ACCEPT, CAP_READ, CAP_WRITE}, false);
         const int client = socket(AF_UNIX, SOCK_STREAM, 0);
         if (directory_calls::ConnectAt(directory, client, "new") != 0) return ErrorName(errno);
         return Limits(accept(listener, nullptr, nullptr));
       }},
      {"cap_ioctls_limit to more than there are",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         const cap_ioctl_t commands[] = {FIONBIO, FIONREAD, FIOASYNC};
         return Outcome(cap_ioctls_limit(fd, commands, 3));
       }},
      {"cap_ioctls_limit to another",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         const cap_ioctl_t command = FIOASYNC;
         return Outcome(cap_ioctls_limit(fd, &command, 1));
       }},
      {"cap_ioctls_limit to the same twice over",
       [] {
         const Folder folder;
         const int fd = OpenFile(folder);
         const cap_ioctl_t commands[] = {FIONREAD, FIONREAD};
         const Answer answer = Outcome(cap_ioctls_limit(fd, commands, 2));
         return answer + ": " + Limits(fd);
       }},
      {"cap_ioctls_limit, then to fewer",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         const cap_ioctl_t command = FIONREAD;
         const Answer answer = Outcome(cap_ioctls_limit(fd, &command, 1));
         return answer + ": " + Limits(fd);
       }},
      {"cap_ioctls_limit to 257",
       [] {
         const Folder folder;
         const std::vector<cap_ioctl_t> commands(257, FIONREAD);
         return Outcome(cap_ioctls_limit(OpenFile(folder), commands.data(), commands.size()));
       }},
      {"cap_ioctls_limit to 256",
       [] {
         const Folder folder;
         std::vector<cap_ioctl_t> commands(256);
         for (size_t i = 0; i < commands.size(); i++) commands[i] = i;
         return Outcome(cap_ioctls_limit(OpenFile(folder), commands.data(), commands.size()));
       }},
      {"cap_fcntls_limit to more",
       [] {
         const Folder folder;
         return Outcome(cap_fcntls_limit(LimitedFile(folder), CAP_FCNTL_GETFL | CAP_FCNTL_SETFL));
       }},
      {"cap_fcntls_limit to what there is not",
       [] {
         const Folder folder;
         return Outcome(cap_fcntls_limit(OpenFile(folder), 1));
       }},
      {"cap_rights_limit to more",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         const cap_rights_t rights = {{CAP_WRITE, CAPRIGHT(1, 0)}};
         return Outcome(cap_rights_limit(fd, &rights));
       }},
      {"cap_rights_limit to an unknown right",
       [] {
         const Folder folder;
         const cap_rights_t rights = {{CAPRIGHT(0, 0), CAPRIGHT(1, 1ULL << 40)}};
         return Outcome(cap_rights_limit(OpenFile(folder), &rights));
       }},
      {"cap_rights_limit to a set without index bits",
       [] {
         const Folder folder;
         const cap_rights_t rights = {{0, 0}};
         return Outcome(cap_rights_limit(OpenFile(folder), &rights));
       }},
      {"cap_rights_limit of a closed descriptor",
       [] {
         const cap_rights_t rights = {{CAPRIGHT(0, 0), CAPRIGHT(1, 0)}};
         return Outcome(cap_rights_limit(900, &rights));
       }},
      {"cap_rights_get of a closed descriptor", [] { return Limits(900); }},
      {"cap_rights_get of -1", [] { return Limits(-1); }},
  };
}

}  // namespace questions
