#include "questions.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capsicum.h>
#include <sys/procdesc.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "../../../native/child_calls.h"
#include "../../../native/directory_calls.h"

namespace questions {

namespace {

struct Name {
  int number;
  const char* name;
};

// The two of capsicum first: the simulated kernel gives them FreeBSD's numbers,
// which are other errors' there.
constexpr Name kErrors[] = {
    {ENOTCAPABLE, "ENOTCAPABLE"},
    {ECAPMODE, "ECAPMODE"},
    {EPERM, "EPERM"},
    {ENOENT, "ENOENT"},
    {ESRCH, "ESRCH"},
    {EINTR, "EINTR"},
    {EIO, "EIO"},
    {ENXIO, "ENXIO"},
    {E2BIG, "E2BIG"},
    {ENOEXEC, "ENOEXEC"},
    {EBADF, "EBADF"},
    {ECHILD, "ECHILD"},
    {EDEADLK, "EDEADLK"},
    {ENOMEM, "ENOMEM"},
    {EACCES, "EACCES"},
    {EFAULT, "EFAULT"},
    {EBUSY, "EBUSY"},
    {EEXIST, "EEXIST"},
    {EXDEV, "EXDEV"},
    {ENODEV, "ENODEV"},
    {ENOTDIR, "ENOTDIR"},
    {EISDIR, "EISDIR"},
    {EINVAL, "EINVAL"},
    {ENFILE, "ENFILE"},
    {EMFILE, "EMFILE"},
    {ENOTTY, "ENOTTY"},
    {EFBIG, "EFBIG"},
    {ENOSPC, "ENOSPC"},
    {ESPIPE, "ESPIPE"},
    {EROFS, "EROFS"},
    {EMLINK, "EMLINK"},
    {EPIPE, "EPIPE"},
    {EAGAIN, "EAGAIN"},
    {EINPROGRESS, "EINPROGRESS"},
    {ENOTSOCK, "ENOTSOCK"},
    {EDESTADDRREQ, "EDESTADDRREQ"},
    {EPROTOTYPE, "EPROTOTYPE"},
    {ENOPROTOOPT, "ENOPROTOOPT"},
    {EOPNOTSUPP, "EOPNOTSUPP"},
    {EADDRINUSE, "EADDRINUSE"},
    {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
    {ECONNABORTED, "ECONNABORTED"},
    {ECONNRESET, "ECONNRESET"},
    {EISCONN, "EISCONN"},
    {ENOTCONN, "ENOTCONN"},
    {ECONNREFUSED, "ECONNREFUSED"},
    {ELOOP, "ELOOP"},
    {ENAMETOOLONG, "ENAMETOOLONG"},
    {ENOTEMPTY, "ENOTEMPTY"},
    {ENOSYS, "ENOSYS"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT"},
};

constexpr int kWatchdogSeconds = 60;

void WriteAll(int fd, const std::string& text) {
  for (size_t written = 0; written < text.size();) {
    const ssize_t length = write(fd, text.data() + written, text.size() - written);
    if (length > 0)
      written += static_cast<size_t>(length);
    else if (errno != EINTR)
      _exit(1);
  }
}

// What a child leaves behind (the simulated kernel kills no process when its
// last descriptor goes with a process) is in its group, and killed with it; it
// may hold the pipe, so a null byte says that all is written.
void CollectChild(const std::function<void(int fd)>& body, std::string* output, int* status) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0) abort();
  if (child == 0) {
    close(ends[0]);
    setpgid(0, 0);
    alarm(kWatchdogSeconds);
    body(ends[1]);
    WriteAll(ends[1], std::string(1, '\0'));
    _exit(0);
  }
  close(ends[1]);
  char buffer[4096];
  while (output->empty() || output->back() != '\0') {
    const ssize_t length = read(ends[0], buffer, sizeof(buffer));
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    output->append(buffer, static_cast<size_t>(length));
  }
  if (!output->empty() && output->back() == '\0') output->pop_back();
  close(ends[0]);
  while (waitpid(child, status, 0) < 0 && errno == EINTR) {
  }
  kill(-child, SIGKILL);
}

void RemoveTree(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return;
  if (!S_ISDIR(status.st_mode)) {
    unlink(path.c_str());
    return;
  }
  chmod(path.c_str(), 0700);
  if (DIR* directory = opendir(path.c_str())) {
    while (const dirent* entry = readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") RemoveTree(path + "/" + name);
    }
    closedir(directory);
  }
  rmdir(path.c_str());
}

}  // namespace

std::string ErrorName(int error) {
  for (const Name& name : kErrors) {
    if (name.number == error) return name.name;
  }
  return "errno " + std::to_string(error);
}

Answer Outcome(long result) { return result < 0 ? ErrorName(errno) : "ok"; }

Answer OutcomeOfOpening(int fd) {
  const Answer answer = Outcome(fd);
  if (fd >= 0) directory_calls::Close(fd);
  return answer;
}

Answer InChild(const std::function<Answer()>& question) {
  Answer answer;
  int status = 0;
  CollectChild([&](int fd) { WriteAll(fd, question()); }, &answer, &status);
  if (!WIFSIGNALED(status)) return answer;
  return WTERMSIG(status) == SIGALRM ? "no answer"
                                     : "killed by signal " + std::to_string(WTERMSIG(status));
}

void PrintFromChild(const std::function<void()>& questions) {
  std::string lines;
  int status = 0;
  CollectChild(
      [&](int fd) {
        dup2(fd, STDOUT_FILENO);
        questions();
        fflush(stdout);
      },
      &lines, &status);
  fputs(lines.c_str(), stdout);
  if (status == 0) return;
  fflush(stdout);
  fprintf(stderr, "a child ended with status %d after this\n", status);
  exit(1);
}

void Print(const std::vector<std::string>& fields) {
  for (size_t i = 0; i < fields.size(); i++) {
    fputs(fields[i].c_str(), stdout);
    putchar(i + 1 < fields.size() ? '\t' : '\n');
  }
}

Folder::Folder() {
  std::string path = "/tmp/questions-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) abort();
  path_ = path;
  Tidy();
  mkdir(at("directory").c_str(), 0755);
  close(open(at("directory/inner").c_str(), O_CREAT | O_WRONLY, 0644));
  [[maybe_unused]] const int linked = symlink("file", at("link").c_str());
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, at("socket").c_str(), sizeof(address.sun_path) - 1);
  listener_ = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, 128) != 0) {
    abort();
  }
}

Folder::~Folder() {
  directory_calls::Close(listener_);
  RemoveTree(path_);
}

void Folder::Tidy() const {
  for (const char* name : {"new", "full", "other"}) RemoveTree(at(name));
  const int file = open(at("file").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0755);
  WriteAll(file, "content");
  close(file);
  chmod(at("file").c_str(), 0755);
  // Connections that a question left in the queue.
  struct pollfd waiting = {listener_, POLLIN, 0};
  while (listener_ >= 0 && poll(&waiting, 1, 0) == 1) close(accept(listener_, nullptr, nullptr));
}

int OpenFile(const Folder& folder) { return open(folder.at("file").c_str(), O_RDWR | O_CLOEXEC); }

int OpenDirectory(const Folder& folder) {
  return open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int OpenProcess(const Folder&) {
  int fd = -1;
  return StartSleeper(&fd, PD_CLOEXEC) < 0 ? -1 : fd;
}

pid_t StartSleeper(int* fd, int flags) {
  const pid_t pid = pdfork(fd, flags);
  if (pid != 0) return pid;
  alarm(kWatchdogSeconds);
  for (;;) pause();
}

void AwaitEnd(int process) {
  const int queue = kqueue();
  struct kevent change = {};
  change.ident = static_cast<uintptr_t>(process);
  change.filter = EVFILT_PROCDESC;
  change.flags = EV_ADD;
  change.fflags = NOTE_EXIT;
  struct kevent event = {};
  if (kevent(queue, &change, 1, &event, 1, nullptr) != 1) abort();
  directory_calls::Close(queue);
}

Answer Limits(int fd) {
  cap_rights_t rights;
  if (cap_rights_get(fd, &rights) != 0) return ErrorName(errno);
  char text[100];
  snprintf(text, sizeof(text), "rights %llx %llx", (unsigned long long)rights.cr_rights[0],
           (unsigned long long)rights.cr_rights[1]);
  Answer answer = text;
  cap_ioctl_t commands[8] = {};
  const ssize_t count = cap_ioctls_get(fd, commands, 8);
  answer += ", ioctls";
  if (count == CAP_IOCTLS_ALL) answer += " all";
  if (count == 0) answer += " none";
  for (ssize_t i = 0; count != CAP_IOCTLS_ALL && i < count; i++) {
    snprintf(text, sizeof(text), " %lx", commands[i]);
    answer += text;
  }
  uint32_t fcntls = 0;
  if (cap_fcntls_get(fd, &fcntls) != 0) return ErrorName(errno);
  return answer + ", fcntls " + std::to_string(fcntls);
}

}  // namespace questions
