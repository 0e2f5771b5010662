// What is asked of FreeBSD's kernel alone: calls of its C library that no
// simulated kernel sees when a program makes them.

#include <sys/types.h>
// Keep this order: the rest of sys/ needs sys/types.h.
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/capsicum.h>
#include <sys/extattr.h>
#include <sys/file.h>
#include <sys/filio.h>
#include <sys/ioctl.h>
#include <sys/ktrace.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/procdesc.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "limited.h"
#include "questions.h"

namespace questions {

namespace {

constexpr off_t kLength = 7;

// Numbers of what the headers of 14.0 lack. Asked of kernels that have them.
constexpr int kFchroot = 590;
constexpr int kInotifyAdd = 593;

bool KernelHas(int osreldate) {
  int running = 0;
  size_t length = sizeof(running);
  sysctlbyname("kern.osreldate", &running, &length, nullptr, 0);
  return running >= osreldate;
}

using Call = std::function<long(int fd)>;

int OpenListener(const Folder&) {
  const Listener listener;
  fcntl(listener.fd, F_SETFL, O_NONBLOCK);
  return listener.fd;
}

// A connection with a byte to read.
int OpenConnection(const Folder&) {
  const Listener listener;
  const int client = listener.Connect();
  const int connection = accept(listener.fd, nullptr, nullptr);
  if (write(client, "x", 1) != 1) abort();
  // The client stays open, as long as this process.
  close(listener.fd);
  fcntl(connection, F_SETFL, O_NONBLOCK);
  return connection;
}

int OpenSocket(const Folder&) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
int OpenDatagram(const Folder&) { return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }

int OpenPipe(const Folder&) {
  int ends[2];
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return -1;
  return ends[0];
}

int OpenTerminal(const Folder&) { return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC); }

int OpenShared(const Folder&) {
  const int fd = shm_open(SHM_ANON, O_RDWR, 0600);
  if (fd >= 0 && ftruncate(fd, 4096) != 0) abort();
  return fd;
}

sockaddr_in Loopback(in_port_t port) {
  sockaddr_in address = {};
  address.sin_len = sizeof(address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = port;
  return address;
}

long Map(int fd, int protection, int flags) {
  void* memory = mmap(nullptr, 4096, protection, flags, fd, 0);
  if (memory == MAP_FAILED) return -1;
  munmap(memory, 4096);
  return 0;
}

long Closed(int fd) { return fd < 0 ? -1 : close(fd); }

// In a child, which sees nothing else from then on.
long Chroot(int fd) {
  if (!KernelHas(1500000)) {
    errno = ENOSYS;
    return -1;
  }
  const pid_t child = fork();
  if (child == 0) _exit(syscall(kFchroot, fd) == 0 ? 0 : errno);
  int status = 0;
  waitpid(child, &status, 0);
  errno = WEXITSTATUS(status);
  return errno == 0 ? 0 : -1;
}

long Watch(int fd, short filter, unsigned int fflags) {
  const int queue = kqueue();
  struct kevent change = {};
  change.ident = static_cast<uintptr_t>(fd);
  change.filter = filter;
  change.flags = EV_ADD;
  change.fflags = fflags;
  const int result = kevent(queue, &change, 1, nullptr, 0, nullptr);
  const int error = errno;
  close(queue);
  errno = error;
  return result;
}

// poll(2) says nothing of rights: it gives the descriptor as ready, or not open.
Answer Poll(int fd) {
  struct pollfd waiting = {fd, POLLIN | POLLOUT, 0};
  const int count = poll(&waiting, 1, 0);
  if (count < 0) return ErrorName(errno);
  Answer answer = "events";
  if ((waiting.revents & POLLIN) != 0) answer += " POLLIN";
  if ((waiting.revents & POLLOUT) != 0) answer += " POLLOUT";
  if ((waiting.revents & POLLHUP) != 0) answer += " POLLHUP";
  if ((waiting.revents & POLLERR) != 0) answer += " POLLERR";
  if ((waiting.revents & POLLNVAL) != 0) answer += " POLLNVAL";
  return answer;
}

struct Group {
  const char* subject;
  int (*open)(const Folder&);
  std::vector<std::pair<const char*, Call>> calls;
};

std::vector<std::pair<const char*, Call>> FileCalls() {
  static char buffer[8];
  static struct iovec vector = {buffer, 1};
  return {
      {"read", [](int fd) { return read(fd, buffer, 1); }},
      {"readv", [](int fd) { return readv(fd, &vector, 1); }},
      {"pread", [](int fd) { return pread(fd, buffer, 1, 0); }},
      {"preadv", [](int fd) { return preadv(fd, &vector, 1, 0); }},
      {"write", [](int fd) { return write(fd, "x", 1); }},
      {"writev", [](int fd) { return writev(fd, &vector, 1); }},
      {"pwrite", [](int fd) { return pwrite(fd, "x", 1, 0); }},
      {"pwritev", [](int fd) { return pwritev(fd, &vector, 1, 0); }},
      {"lseek SEEK_CUR 0", [](int fd) { return lseek(fd, 0, SEEK_CUR); }},
      {"lseek SEEK_SET", [](int fd) { return lseek(fd, 1, SEEK_SET); }},
      {"fstat",
       [](int fd) {
         struct stat status;
         return fstat(fd, &status);
       }},
      {"fstatfs",
       [](int fd) {
         struct statfs status;
         return fstatfs(fd, &status);
       }},
      {"fpathconf",
       [](int fd) {
         errno = 0;
         return fpathconf(fd, _PC_NAME_MAX);
       }},
      {"fchmod", [](int fd) { return fchmod(fd, 0700); }},
      {"fchown", [](int fd) { return fchown(fd, static_cast<uid_t>(-1), static_cast<gid_t>(-1)); }},
      {"fchown to root", [](int fd) { return fchown(fd, 0, static_cast<gid_t>(-1)); }},
      {"fchflags", [](int fd) { return fchflags(fd, 0); }},
      {"futimes", [](int fd) { return futimes(fd, nullptr); }},
      {"futimens", [](int fd) { return futimens(fd, nullptr); }},
      {"ftruncate", [](int fd) { return ftruncate(fd, kLength); }},
      {"fsync", [](int fd) { return fsync(fd); }},
      {"fdatasync", [](int fd) { return fdatasync(fd); }},
      {"posix_fallocate",
       [](int fd) {
         errno = posix_fallocate(fd, 0, kLength);
         return errno == 0 ? 0L : -1L;
       }},
      {"posix_fadvise",
       [](int fd) {
         errno = posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
         return errno == 0 ? 0L : -1L;
       }},
      {"flock", [](int fd) { return flock(fd, LOCK_EX | LOCK_NB); }},
      {"fcntl F_GETFD", [](int fd) { return fcntl(fd, F_GETFD); }},
      {"fcntl F_SETFD", [](int fd) { return fcntl(fd, F_SETFD, FD_CLOEXEC); }},
      {"fcntl F_GETFL", [](int fd) { return fcntl(fd, F_GETFL); }},
      {"fcntl F_SETFL", [](int fd) { return fcntl(fd, F_SETFL, O_APPEND); }},
      {"fcntl F_GETLK",
       [](int fd) {
         struct flock lock = {};
         lock.l_type = F_RDLCK;
         return fcntl(fd, F_GETLK, &lock);
       }},
      {"fcntl F_SETLK",
       [](int fd) {
         struct flock lock = {};
         lock.l_type = F_RDLCK;
         return fcntl(fd, F_SETLK, &lock);
       }},
      {"fcntl F_RDAHEAD", [](int fd) { return fcntl(fd, F_RDAHEAD, 0); }},
      {"fcntl F_DUPFD", [](int fd) { return Closed(fcntl(fd, F_DUPFD, 0)); }},
      {"fcntl F_DUP2FD", [](int fd) { return Closed(fcntl(fd, F_DUP2FD, 100)); }},
      {"dup", [](int fd) { return Closed(dup(fd)); }},
      {"dup2", [](int fd) { return Closed(dup2(fd, 100)); }},
      {"ioctl FIOCLEX", [](int fd) { return ioctl(fd, FIOCLEX); }},
      {"ioctl FIONREAD",
       [](int fd) {
         int count = 0;
         return ioctl(fd, FIONREAD, &count);
       }},
      {"ioctl FIONBIO",
       [](int fd) {
         int off = 0;
         return ioctl(fd, FIONBIO, &off);
       }},
      {"mmap PROT_NONE", [](int fd) { return Map(fd, PROT_NONE, MAP_SHARED); }},
      {"mmap PROT_READ", [](int fd) { return Map(fd, PROT_READ, MAP_SHARED); }},
      {"mmap PROT_READ MAP_PRIVATE", [](int fd) { return Map(fd, PROT_READ, MAP_PRIVATE); }},
      {"mmap PROT_WRITE", [](int fd) { return Map(fd, PROT_WRITE, MAP_SHARED); }},
      {"mmap PROT_WRITE MAP_PRIVATE", [](int fd) { return Map(fd, PROT_WRITE, MAP_PRIVATE); }},
      {"mmap PROT_READ|PROT_WRITE",
       [](int fd) { return Map(fd, PROT_READ | PROT_WRITE, MAP_SHARED); }},
      {"mmap PROT_READ|PROT_WRITE MAP_PRIVATE",
       [](int fd) { return Map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE); }},
      {"mmap PROT_EXEC", [](int fd) { return Map(fd, PROT_EXEC, MAP_SHARED); }},
      {"mmap PROT_READ|PROT_EXEC",
       [](int fd) { return Map(fd, PROT_READ | PROT_EXEC, MAP_SHARED); }},
      {"mmap PROT_READ|PROT_EXEC MAP_PRIVATE",
       [](int fd) { return Map(fd, PROT_READ | PROT_EXEC, MAP_PRIVATE); }},
      {"mmap PROT_READ|PROT_WRITE|PROT_EXEC",
       [](int fd) { return Map(fd, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED); }},
      {"extattr_get_fd",
       [](int fd) { return extattr_get_fd(fd, EXTATTR_NAMESPACE_USER, "name", nullptr, 0); }},
      {"extattr_set_fd",
       [](int fd) { return extattr_set_fd(fd, EXTATTR_NAMESPACE_USER, "name", "x", 1); }},
      {"extattr_list_fd",
       [](int fd) { return extattr_list_fd(fd, EXTATTR_NAMESPACE_USER, nullptr, 0); }},
      {"extattr_delete_fd",
       [](int fd) { return extattr_delete_fd(fd, EXTATTR_NAMESPACE_USER, "name"); }},
      {"acl_get_fd",
       [](int fd) {
         const acl_t list = acl_get_fd(fd);
         if (list == nullptr) return -1;
         acl_free(list);
         return 0;
       }},
      {"acl_set_fd",
       [](int fd) {
         const acl_t list = acl_from_text("u::rw-,g::r--,o::r--");
         const int result = acl_set_fd(fd, list);
         const int error = errno;
         acl_free(list);
         errno = error;
         return result;
       }},
      {"acl_delete_fd", [](int fd) { return acl_delete_fd_np(fd, ACL_TYPE_DEFAULT); }},
      {"kevent on EVFILT_READ", [](int fd) { return Watch(fd, EVFILT_READ, 0); }},
      {"kevent on EVFILT_VNODE", [](int fd) { return Watch(fd, EVFILT_VNODE, NOTE_WRITE); }},
      {"sendfile of",
       [](int fd) {
         int ends[2];
         if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) abort();
         off_t sent = 0;
         const int result = sendfile(fd, ends[0], 0, 1, nullptr, &sent, 0);
         const int error = errno;
         close(ends[0]);
         close(ends[1]);
         errno = error;
         return result;
       }},
      {"copy_file_range from",
       [](int fd) {
         const int other = OpenShared(Folder());
         const ssize_t result = copy_file_range(fd, nullptr, other, nullptr, 1, 0);
         const int error = errno;
         close(other);
         errno = error;
         return result;
       }},
      {"select",
       [](int fd) {
         fd_set set;
         FD_ZERO(&set);
         FD_SET(fd, &set);
         struct timeval now = {0, 0};
         return select(fd + 1, &set, nullptr, nullptr, &now);
       }},
      {"fchdir of a file", [](int fd) { return fchdir(fd); }},
      {"fcntl F_ISUNIONSTACK", [](int fd) { return fcntl(fd, F_ISUNIONSTACK, 0); }},
  };
}

std::vector<Group> Groups() {
  static char buffer[8];
  std::vector<Group> groups;
  groups.push_back({"file", OpenFile, FileCalls()});
  groups.push_back(
      {"directory",
       OpenDirectory,
       {
           {"mkfifoat", [](int fd) { return mkfifoat(fd, "new", 0644); }},
           {"mknodat", [](int fd) { return mknodat(fd, "new", S_IFCHR | 0644, 0); }},
           {"chflagsat", [](int fd) { return chflagsat(fd, "file", 0, 0); }},
           {"futimesat", [](int fd) { return futimesat(fd, "file", nullptr); }},
           {"openat O_SEARCH",
            [](int fd) { return Closed(openat(fd, "directory", O_SEARCH | O_DIRECTORY)); }},
           {"openat O_PATH", [](int fd) { return Closed(openat(fd, "file", O_PATH)); }},
           {"openat O_RDONLY|O_EXLOCK",
            [](int fd) { return Closed(openat(fd, "file", O_RDONLY | O_EXLOCK)); }},
           {"openat O_RDONLY|O_VERIFY",
            [](int fd) { return Closed(openat(fd, "file", O_RDONLY | O_VERIFY)); }},
           {"openat of an absolute path",
            [](int fd) { return Closed(openat(fd, "/etc/passwd", O_RDONLY)); }},
           {"openat of ..", [](int fd) { return Closed(openat(fd, "..", O_RDONLY)); }},
           {"funlinkat", [](int fd) { return funlinkat(fd, "file", FD_NONE, 0); }},
           {"fstat of a directory",
            [](int fd) {
              struct stat status;
              return fstat(fd, &status);
            }},
           {"read of a directory", [](int fd) { return read(fd, buffer, 1); }},
           {"fpathconf of a directory", [](int fd) { return fpathconf(fd, _PC_NAME_MAX); }},
           {"fchroot", [](int fd) { return Chroot(fd); }},
       }});
  if (KernelHas(1500000)) {
    groups.back().calls.push_back(
        {"inotify_add_watch_at", [](int fd) {
           using Init = int (*)(int);
           const auto init = reinterpret_cast<Init>(dlsym(RTLD_DEFAULT, "inotify_init1"));
           const int watcher = init == nullptr ? -1 : init(O_NONBLOCK);
           const long result = syscall(kInotifyAdd, watcher, fd, "file", 2);
           const int error = errno;
           close(watcher);
           errno = error;
           return result;
         }});
    groups.push_back(
        {"inotify",
         [](const Folder&) {
           using Init = int (*)(int);
           const auto init = reinterpret_cast<Init>(dlsym(RTLD_DEFAULT, "inotify_init1"));
           return init == nullptr ? -1 : init(O_NONBLOCK);
         },
         {
             {"read of inotify events", [](int fd) { return read(fd, buffer, 8); }},
             {"inotify_add_watch_at with",
              [](int fd) { return syscall(kInotifyAdd, fd, AT_FDCWD, "/tmp", 2); }},
             {"kevent on EVFILT_READ of inotify", [](int fd) { return Watch(fd, EVFILT_READ, 0); }},
         }});
  }
  groups.push_back(
      {"socket",
       OpenSocket,
       {
           {"bind",
            [](int fd) {
              const sockaddr_in address = Loopback(0);
              return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
            }},
           {"connect",
            [](int fd) {
              const Listener listener;
              const sockaddr_in address = Loopback(listener.port);
              const int result =
                  connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
              const int error = errno;
              close(listener.fd);
              errno = error;
              return result;
            }},
           {"listen", [](int fd) { return listen(fd, 1); }},
           {"getsockopt",
            [](int fd) {
              int value = 0;
              socklen_t length = sizeof(value);
              return getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length);
            }},
           {"setsockopt",
            [](int fd) {
              const int on = 1;
              return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
            }},
           {"fcntl F_GETOWN", [](int fd) { return fcntl(fd, F_GETOWN); }},
           {"fcntl F_SETOWN", [](int fd) { return fcntl(fd, F_SETOWN, getpid()); }},
           {"fcntl F_GETFL of a socket", [](int fd) { return fcntl(fd, F_GETFL); }},
           {"fcntl F_SETFL of a socket", [](int fd) { return fcntl(fd, F_SETFL, O_NONBLOCK); }},
           {"fstat of a socket",
            [](int fd) {
              struct stat status;
              return fstat(fd, &status);
            }},
       }});
  groups.push_back({"listening socket",
                    OpenListener,
                    {
                        {"accept",
                         [](int fd) {
                           const int result = accept(fd, nullptr, nullptr);
                           return result < 0 ? -1L : Closed(result);
                         }},
                        {"accept4",
                         [](int fd) {
                           const int result = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
                           return result < 0 ? -1L : Closed(result);
                         }},
                        {"listen, again", [](int fd) { return listen(fd, 2); }},
                        {"getsockname",
                         [](int fd) {
                           sockaddr_storage address;
                           socklen_t length = sizeof(address);
                           return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
                         }},
                        {"kevent on EVFILT_READ of a listening socket",
                         [](int fd) { return Watch(fd, EVFILT_READ, 0); }},
                    }});
  groups.push_back({"connection",
                    OpenConnection,
                    {
                        {"recv", [](int fd) { return recv(fd, buffer, 1, 0); }},
                        {"recv MSG_PEEK", [](int fd) { return recv(fd, buffer, 1, MSG_PEEK); }},
                        {"recvmsg",
                         [](int fd) {
                           struct iovec vector = {buffer, 1};
                           struct msghdr message = {};
                           message.msg_iov = &vector;
                           message.msg_iovlen = 1;
                           return recvmsg(fd, &message, 0);
                         }},
                        {"read of a connection", [](int fd) { return read(fd, buffer, 1); }},
                        {"send", [](int fd) { return send(fd, "x", 1, 0); }},
                        {"sendmsg",
                         [](int fd) {
                           struct iovec vector = {buffer, 1};
                           struct msghdr message = {};
                           message.msg_iov = &vector;
                           message.msg_iovlen = 1;
                           return sendmsg(fd, &message, 0);
                         }},
                        {"write of a connection", [](int fd) { return write(fd, "x", 1); }},
                        {"getpeername",
                         [](int fd) {
                           sockaddr_storage address;
                           socklen_t length = sizeof(address);
                           return getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length);
                         }},
                        {"shutdown", [](int fd) { return shutdown(fd, SHUT_WR); }},
                        {"sendfile to",
                         [](int fd) {
                           const Folder folder;
                           const int file = OpenFile(folder);
                           off_t sent = 0;
                           const int result = sendfile(file, fd, 0, 1, nullptr, &sent, 0);
                           const int error = errno;
                           close(file);
                           errno = error;
                           return result;
                         }},
                        {"kevent on EVFILT_READ of a connection",
                         [](int fd) { return Watch(fd, EVFILT_READ, 0); }},
                        {"kevent on EVFILT_WRITE of a connection",
                         [](int fd) { return Watch(fd, EVFILT_WRITE, 0); }},
                        {"ioctl FIONREAD of a connection",
                         [](int fd) {
                           int count = 0;
                           return ioctl(fd, FIONREAD, &count);
                         }},
                    }});
  groups.push_back({"datagram socket",
                    OpenDatagram,
                    {
                        {"sendto an address",
                         [](int fd) {
                           const sockaddr_in address = Loopback(htons(9));
                           return sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address),
                                         sizeof(address));
                         }},
                        {"connect of a datagram socket",
                         [](int fd) {
                           const sockaddr_in address = Loopback(htons(9));
                           return connect(fd, reinterpret_cast<const sockaddr*>(&address),
                                          sizeof(address));
                         }},
                    }});
  groups.push_back({"terminal",
                    OpenTerminal,
                    {
                        {"tcgetattr",
                         [](int fd) {
                           struct termios settings;
                           return ioctl(fd, TIOCGETA, &settings);
                         }},
                        {"ioctl TIOCGWINSZ",
                         [](int fd) {
                           struct winsize size;
                           return ioctl(fd, TIOCGWINSZ, &size);
                         }},
                    }});
  groups.push_back({"shared memory",
                    OpenShared,
                    {
                        {"mmap PROT_READ of shared memory",
                         [](int fd) { return Map(fd, PROT_READ, MAP_SHARED); }},
                        {"mmap PROT_READ|PROT_WRITE of shared memory",
                         [](int fd) { return Map(fd, PROT_READ | PROT_WRITE, MAP_SHARED); }},
                        {"ftruncate of shared memory", [](int fd) { return ftruncate(fd, 8192); }},
                        {"fstat of shared memory",
                         [](int fd) {
                           struct stat status;
                           return fstat(fd, &status);
                         }},
                    }});
  groups.push_back({"process descriptor",
                    OpenProcess,
                    {
                        {"fstat of a process",
                         [](int fd) {
                           struct stat status;
                           return fstat(fd, &status);
                         }},
                        {"read of a process", [](int fd) { return read(fd, buffer, 1); }},
                    }});
  groups.push_back(
      {"pipe",
       OpenPipe,
       {
           {"read of an empty pipe", [](int fd) { return read(fd, buffer, 1); }},
           {"write to the reading end", [](int fd) { return write(fd, "x", 1); }},
           {"kevent on EVFILT_READ of a pipe", [](int fd) { return Watch(fd, EVFILT_READ, 0); }},
           {"fstat of a pipe",
            [](int fd) {
              struct stat status;
              return fstat(fd, &status);
            }},
       }});
  return groups;
}

void AddPolls(std::vector<Operation>& list) {
  const auto add = [&](const char* name, const char* subject, int (*open)(const Folder&)) {
    list.push_back({name, subject, open, [](const Folder&, int fd) { return Poll(fd); }});
  };
  add("poll", "file", OpenFile);
  add("poll of a connection", "connection", OpenConnection);
  add("poll of a process", "process descriptor", OpenProcess);
}

Answer WaitByNumber(pid_t pid) {
  int status = 0;
  const pid_t reaped = waitpid(pid, &status, 0);
  return reaped < 0 ? ErrorName(errno) : "reaped";
}

int Sleeper(pid_t* pid) {
  int fd = -1;
  *pid = StartSleeper(&fd, PD_CLOEXEC);
  if (*pid < 0) abort();
  return fd;
}

int LimitedFile(const Folder& folder) {
  const int fd = OpenFile(folder);
  Limit(fd, {CAP_READ, CAP_SEEK, CAP_FSTAT, CAP_IOCTL, CAP_FCNTL, CAP_EVENT}, true);
  return fd;
}

Answer PassedLimits(int sent, bool limit_socket) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) abort();
  if (limit_socket) Limit(ends[1], {CAP_READ}, false);
  char byte = 'x';
  struct iovec vector = {&byte, 1};
  alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof(space);
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &sent, sizeof(int));
  if (sendmsg(ends[0], &message, 0) != 1) return "not sent: " + ErrorName(errno);
  memset(space, 0, sizeof(space));
  message.msg_controllen = sizeof(space);
  if (recvmsg(ends[1], &message, 0) != 1) return "not received: " + ErrorName(errno);
  header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return "nothing came";
  int received = -1;
  memcpy(&received, CMSG_DATA(header), sizeof(int));
  return Limits(received);
}

// What another program may do, which is started with the descriptor.
Answer WriteAfterExecve(int fd) {
  fcntl(fd, F_SETFD, 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string command = "echo x >&" + std::to_string(fd);
    close(2);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 127) return "no answer";
  return WEXITSTATUS(status) == 0 ? "written" : "not written";
}

Question Mode(const char* name, std::function<long()> call) {
  return {name, [call] {
            if (cap_enter() != 0) return ErrorName(errno);
            return Outcome(call());
          }};
}

}  // namespace

int WaitForProcess(int fd, int* status, int options) {
  using Pdwait = int (*)(int, int*, int, struct __wrusage*, struct __siginfo*);
  static const auto pdwait =
      KernelHas(1501000) ? reinterpret_cast<Pdwait>(dlsym(RTLD_DEFAULT, "pdwait")) : nullptr;
  if (pdwait == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  return pdwait(fd, status, options, nullptr, nullptr);
}

void Prepare() {}

std::vector<Operation> FreebsdOperations() {
  std::vector<Operation> list;
  for (const Group& group : Groups()) {
    for (const auto& [name, call] : group.calls) {
      list.push_back({name, group.subject, group.open,
                      [call = call](const Folder&, int fd) { return Outcome(call(fd)); }});
    }
  }
  AddPolls(list);
  return list;
}

std::vector<Question> FreebsdInheritanceQuestions() {
  return {
      {"dup",
       [] {
         const Folder folder;
         return Limits(dup(LimitedFile(folder)));
       }},
      {"dup2",
       [] {
         const Folder folder;
         return Limits(dup2(LimitedFile(folder), 100));
       }},
      {"dup2 onto a descriptor with every right",
       [] {
         const Folder folder;
         const int limited = LimitedFile(folder);
         return Limits(dup2(limited, OpenFile(folder)));
       }},
      {"dup2 of a descriptor with every right onto a limited one",
       [] {
         const Folder folder;
         const int limited = LimitedFile(folder);
         return Limits(dup2(OpenFile(folder), limited));
       }},
      {"dup2 onto itself",
       [] {
         const Folder folder;
         const int limited = LimitedFile(folder);
         return Limits(dup2(limited, limited));
       }},
      {"dup3",
       [] {
         const Folder folder;
         return Limits(dup3(LimitedFile(folder), 100, O_CLOEXEC));
       }},
      {"F_DUPFD",
       [] {
         const Folder folder;
         return Limits(fcntl(LimitedFile(folder), F_DUPFD, 50));
       }},
      {"F_DUP2FD",
       [] {
         const Folder folder;
         return Limits(fcntl(LimitedFile(folder), F_DUP2FD, 100));
       }},
      {"opening of /dev/fd/N",
       [] {
         const Folder folder;
         const int fd = LimitedFile(folder);
         return Limits(open(("/dev/fd/" + std::to_string(fd)).c_str(), O_RDONLY));
       }},
      {"SCM_RIGHTS",
       [] {
         const Folder folder;
         return PassedLimits(LimitedFile(folder), false);
       }},
      {"SCM_RIGHTS of a descriptor with every right",
       [] {
         const Folder folder;
         return PassedLimits(OpenFile(folder), false);
       }},
      {"SCM_RIGHTS of a descriptor with every right, to a limited socket",
       [] {
         const Folder folder;
         return PassedLimits(OpenFile(folder), true);
       }},
      {"SCM_RIGHTS of a kqueue", [] { return PassedLimits(kqueue(), false); }},
      {"SCM_RIGHTS of a process descriptor",
       [] {
         pid_t pid = 0;
         return PassedLimits(Sleeper(&pid), false);
       }},
      {"fork, of a kqueue",
       [] {
         const int queue = kqueue();
         return InChild([queue] { return Limits(queue); });
       }},
      {"execve, which keeps limits",
       [] {
         const Folder folder;
         return WriteAfterExecve(LimitedFile(folder));
       }},
      {"execve, of a descriptor with every right",
       [] {
         const Folder folder;
         return WriteAfterExecve(OpenFile(folder));
       }},
      {"accept4 with SOCK_NONBLOCK, of a listener without fcntl",
       [] {
         const Listener listener;
         Limit(listener.fd, {CAP_ACCEPT, CAP_READ}, false);
         listener.Connect();
         return Limits(accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK));
       }},
      {"ioctl that is in the list",
       [] {
         const Folder folder;
         int count = 0;
         return Outcome(ioctl(LimitedFile(folder), FIONREAD, &count));
       }},
      {"ioctl that is not in the list",
       [] {
         const Folder folder;
         return Outcome(ioctl(LimitedFile(folder), FIOCLEX));
       }},
      {"fcntl that is in the mask",
       [] {
         const Folder folder;
         return Outcome(fcntl(LimitedFile(folder), F_GETFL));
       }},
      {"fcntl that is not in the mask",
       [] {
         const Folder folder;
         return Outcome(fcntl(LimitedFile(folder), F_SETFL, 0));
       }},
  };
}

std::vector<Question> FreebsdProcessQuestions() {
  return {
      {"poll, running",
       [] {
         pid_t pid = 0;
         return Poll(Sleeper(&pid));
       }},
      {"poll, ended",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         AwaitEnd(fd);
         return Poll(fd);
       }},
      {"poll, reaped",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         int status = 0;
         waitpid(pid, &status, 0);
         return Poll(fd);
       }},
      {"capability mode: poll, running",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         cap_enter();
         return Poll(fd);
       }},
      {"capability mode: poll, ended",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         AwaitEnd(fd);
         cap_enter();
         return Poll(fd);
       }},
      {"waitpid by number",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         return WaitByNumber(pid);
       }},
      {"waitpid of any child",
       [] {
         pid_t pid = 0;
         pdkill(Sleeper(&pid), SIGKILL);
         return WaitByNumber(-1);
       }},
      {"kill by number",
       [] {
         pid_t pid = 0;
         Sleeper(&pid);
         return Outcome(kill(pid, 0));
       }},
      {"capability mode: kill by number",
       [] {
         pid_t pid = 0;
         Sleeper(&pid);
         cap_enter();
         return Outcome(kill(pid, 0));
       }},
      {"capability mode: waitpid by number",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         cap_enter();
         return WaitByNumber(pid);
       }},
      {"pdgetpid after waitpid",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         WaitByNumber(pid);
         return Outcome(pdgetpid(fd, &pid));
       }},
      {"SIGCHLD at the end",
       [] {
         sigset_t set;
         sigemptyset(&set);
         sigaddset(&set, SIGCHLD);
         sigprocmask(SIG_BLOCK, &set, nullptr);
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         AwaitEnd(fd);
         sigset_t pending;
         sigpending(&pending);
         return Answer(sigismember(&pending, SIGCHLD) == 1 ? "pending" : "none");
       }},
      {"end of the parent",
       [] {
         int ends[2];
         if (pipe(ends) != 0) abort();
         const pid_t parent = fork();
         if (parent == 0) {
           pid_t pid = 0;
           Sleeper(&pid);
           _exit(0);
         }
         close(ends[1]);
         int status = 0;
         waitpid(parent, &status, 0);
         struct pollfd waiting = {ends[0], POLLIN, 0};
         return Answer(poll(&waiting, 1, 20000) == 0 ? "lives" : "is gone");
       }},
      {"pdwait by another process than the parent, then by the parent",
       [] {
         pid_t pid = 0;
         const int fd = Sleeper(&pid);
         pdkill(fd, SIGKILL);
         AwaitEnd(fd);
         const auto wait = [fd] {
           int status = 0;
           return Outcome(WaitForProcess(fd, &status, WEXITED | WNOHANG));
         };
         const Answer other = InChild(wait);
         return other + ", then " + wait();
       }},
      {"the parent's number, in the child",
       [] {
         int fd = -1;
         const pid_t self = getpid();
         if (pdfork(&fd, PD_CLOEXEC) == 0) _exit(getppid() == self ? 1 : 0);
         int status = 0;
         WaitForProcess(fd, &status, WEXITED);
         return Answer(WEXITSTATUS(status) == 1 ? "that of the parent" : "another");
       }},
  };
}

// What an absolute path gives in a directory without all rights: those calls
// that have a flag to stay beneath get it from the package, the others do not
// look at the directory at all.
Question AbsoluteIn(const char* name, std::function<long(int)> call) {
  return {std::string("a limited directory, an absolute path: ") + name, [call] {
            const Folder folder;
            const int directory = OpenDirectory(folder);
            Limit(directory, {CAP_LOOKUP}, false);
            return Outcome(call(directory));
          }};
}

std::vector<Question> FreebsdCapabilityModeQuestions() {
  static char buffer[512];
  return {
      AbsoluteIn("openat", [](int fd) { return Closed(openat(fd, "/etc/passwd", O_RDONLY)); }),
      AbsoluteIn(
          "openat O_RESOLVE_BENEATH",
          [](int fd) { return Closed(openat(fd, "/etc/passwd", O_RDONLY | O_RESOLVE_BENEATH)); }),
      AbsoluteIn("mkdirat", [](int fd) { return mkdirat(fd, "/etc/passwd", 0755); }),
      AbsoluteIn("readlinkat",
                 [](int fd) { return readlinkat(fd, "/etc/passwd", buffer, sizeof(buffer)); }),
      AbsoluteIn("unlinkat", [](int fd) { return unlinkat(fd, "/nothing", 0); }),
      Mode("open", [] { return open("/etc/passwd", O_RDONLY); }),
      Mode("open of /dev/fd/0", [] { return open("/dev/fd/0", O_RDONLY); }),
      Mode("stat",
           [] {
             struct stat status;
             return stat("/", &status);
           }),
      Mode("access", [] { return access("/", F_OK); }),
      Mode("mkdir", [] { return mkdir("/tmp/new", 0755); }),
      Mode("unlink", [] { return unlink("/tmp/nothing"); }),
      Mode("rename", [] { return rename("/tmp/nothing", "/tmp/other"); }),
      Mode("readlink", [] { return readlink("/tmp/nothing", buffer, sizeof(buffer)); }),
      Mode("getcwd", [] { return getcwd(buffer, sizeof(buffer)) == nullptr ? -1 : 0; }),
      Mode("realpath", [] { return realpath("/", buffer) == nullptr ? -1 : 0; }),
      Mode("statfs",
           [] {
             struct statfs status;
             return statfs("/", &status);
           }),
      Mode("getfsstat", [] { return getfsstat(nullptr, 0, MNT_NOWAIT); }),
      Mode("chroot", [] { return chroot("/"); }),
      Mode("umask", [] { return static_cast<long>(umask(022)); }),
      Mode("socket AF_INET SOCK_STREAM", [] { return socket(AF_INET, SOCK_STREAM, 0); }),
      Mode("socket AF_INET6 SOCK_STREAM", [] { return socket(AF_INET6, SOCK_STREAM, 0); }),
      Mode("socket AF_INET SOCK_DGRAM", [] { return socket(AF_INET, SOCK_DGRAM, 0); }),
      Mode("socket AF_INET SOCK_RAW", [] { return socket(AF_INET, SOCK_RAW, 1); }),
      Mode("socket AF_UNIX", [] { return socket(AF_UNIX, SOCK_STREAM, 0); }),
      Mode("socket AF_ROUTE", [] { return socket(AF_ROUTE, SOCK_RAW, 0); }),
      Mode("socketpair",
           [] {
             int ends[2];
             return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
           }),
      Mode("pipe2",
           [] {
             int ends[2];
             return pipe2(ends, 0);
           }),
      Mode("bind",
           [] {
             const sockaddr_in address = Loopback(0);
             return bind(socket(AF_INET, SOCK_STREAM, 0),
                         reinterpret_cast<const sockaddr*>(&address), sizeof(address));
           }),
      Mode("connect",
           [] {
             const sockaddr_in address = Loopback(htons(9));
             return connect(socket(AF_INET, SOCK_STREAM, 0),
                            reinterpret_cast<const sockaddr*>(&address), sizeof(address));
           }),
      Mode("listen of a fresh socket", [] { return listen(socket(AF_INET, SOCK_STREAM, 0), 1); }),
      Mode("bindat AF_INET, of AT_FDCWD",
           [] {
             const sockaddr_in address = Loopback(0);
             return bindat(AT_FDCWD, socket(AF_INET, SOCK_STREAM, 0),
                           reinterpret_cast<const sockaddr*>(&address), sizeof(address));
           }),
      Mode("sendto an address",
           [] {
             const sockaddr_in address = Loopback(htons(9));
             return sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0,
                           reinterpret_cast<const sockaddr*>(&address), sizeof(address));
           }),
      Mode("fork",
           [] {
             const pid_t pid = fork();
             if (pid == 0) _exit(0);
             return pid;
           }),
      Mode("vfork",
           [] {
             const pid_t pid = vfork();
             if (pid == 0) _exit(0);
             return pid;
           }),
      Mode("kill of itself with 0", [] { return kill(getpid(), 0); }),
      Mode("kill of the parent with 0", [] { return kill(getppid(), 0); }),
      Mode("kill of the group with 0", [] { return kill(0, 0); }),
      Mode("raise", [] { return raise(0); }),
      Mode("ptrace PT_TRACE_ME", [] { return ptrace(PT_TRACE_ME, 0, nullptr, 0); }),
      Mode("ktrace", [] { return ktrace(nullptr, KTROP_CLEARFILE, 0, 0); }),
      Mode("setuid to what it is", [] { return setuid(getuid()); }),
      Mode("setgid to what it is", [] { return setgid(getgid()); }),
      Mode("setsid", [] { return setsid(); }),
      Mode("setpgid", [] { return setpgid(0, 0); }),
      Mode("setpriority", [] { return setpriority(PRIO_PROCESS, 0, 0); }),
      Mode("setrlimit RLIMIT_CORE",
           [] {
             const struct rlimit none = {0, 0};
             return setrlimit(RLIMIT_CORE, &none);
           }),
      Mode("getrusage",
           [] {
             struct rusage usage;
             return getrusage(RUSAGE_SELF, &usage);
           }),
      Mode("clock_gettime",
           [] {
             struct timespec now;
             return clock_gettime(CLOCK_REALTIME, &now);
           }),
      Mode("clock_settime",
           [] {
             struct timespec now;
             clock_gettime(CLOCK_REALTIME, &now);
             return clock_settime(CLOCK_REALTIME, &now);
           }),
      Mode("getrandom", [] { return syscall(SYS_getrandom, buffer, 8, 0); }),
      Mode("mmap of anonymous memory",
           [] {
             return mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0) ==
                            MAP_FAILED
                        ? -1
                        : 0;
           }),
      Mode("mmap of anonymous memory, writable and executable",
           [] {
             return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE,
                         -1, 0) == MAP_FAILED
                        ? -1
                        : 0;
           }),
      Mode("shm_open SHM_ANON", [] { return shm_open(SHM_ANON, O_RDWR, 0600); }),
      Mode("shm_open of a name", [] { return shm_open("/name", O_RDWR, 0600); }),
      Mode("shm_unlink", [] { return shm_unlink("/name"); }),
      Mode("shmget", [] { return shmget(IPC_PRIVATE, 4096, 0600); }),
      Mode("posix_openpt", [] { return posix_openpt(O_RDWR); }),
      Mode("wait4 without children", [] { return wait4(-1, nullptr, WNOHANG, nullptr); }),
      Mode("wait6 without children",
           [] { return wait6(P_ALL, 0, nullptr, WEXITED | WNOHANG, nullptr, nullptr); }),
      Mode("sysctl hw.ncpu",
           [] {
             int value = 0;
             size_t length = sizeof(value);
             return sysctlbyname("hw.ncpu", &value, &length, nullptr, 0);
           }),
      Mode("sysctl kern.hostname",
           [] {
             size_t length = sizeof(buffer);
             return sysctlbyname("kern.hostname", buffer, &length, nullptr, 0);
           }),
      Mode("sysctl vm.loadavg",
           [] {
             size_t length = sizeof(buffer);
             return sysctlbyname("vm.loadavg", buffer, &length, nullptr, 0);
           }),
      Mode("sysctl hw.physmem",
           [] {
             unsigned long value = 0;
             size_t length = sizeof(value);
             return sysctlbyname("hw.physmem", &value, &length, nullptr, 0);
           }),
      Mode("sysctl kern.boottime",
           [] {
             size_t length = sizeof(buffer);
             return sysctlbyname("kern.boottime", buffer, &length, nullptr, 0);
           }),
      Mode("sysctl kern.cp_times",
           [] {
             static char times[4096];
             size_t length = sizeof(times);
             return sysctlbyname("kern.cp_times", times, &length, nullptr, 0);
           }),
      Mode("sysctl kern.proc.pid of itself",
           [] {
             const int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()};
             static char record[4096];
             size_t length = sizeof(record);
             return sysctl(name, 4, record, &length, nullptr, 0);
           }),
      Mode("kldload", [] { return syscall(SYS_kldload, "nothing"); }),
      Mode("kldstat", [] { return syscall(SYS_kldnext, 0); }),
      Mode("kenv", [] { return syscall(SYS_kenv, 0, "kernelname", buffer, sizeof(buffer)); }),
      Mode("mount", [] { return mount("tmpfs", "/mnt", MNT_RDONLY, nullptr); }),
      Mode("reboot", [] { return syscall(SYS_reboot, 0x40000000); }),
      Mode("fcntl F_KINFO", [] { return fcntl(0, F_KINFO, buffer); }),
      Mode("cpuset_getaffinity of itself",
           [] {
             return syscall(SYS_cpuset_getaffinity, 3, 2, static_cast<int64_t>(-1),
                            sizeof(buffer) / 8, buffer);
           }),
      Mode("nanosleep",
           [] {
             const struct timespec none = {0, 0};
             return nanosleep(&none, nullptr);
           }),
      Mode("clock_nanosleep",
           [] {
             const struct timespec none = {0, 0};
             return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &none, nullptr);
           }),
  };
}

}  // namespace questions
