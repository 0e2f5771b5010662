#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/capsicum.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "directory_calls.h"
#include "freebsd_compat.h"

namespace directory_calls {

namespace {

// unlinkat(2) ignored this flag before 15.1-p1, and mkdirat(2), renameat(2),
// symlinkat(2), readlinkat(2), bindat(2) have none: what confines those is that a
// directory without all rights is confining by itself
// (lib/directory/directory.ts), and IsRelative.
int Flags(bool follow) { return AT_RESOLVE_BENEATH | (follow ? 0 : AT_SYMLINK_NOFOLLOW); }

// Outside of capability mode the kernel does not even look at the directory when
// a path is absolute.
bool IsRelative(const char* path) {
  if (*path != '/') return true;
  errno = ENOTCAPABLE;
  return false;
}

bool FillAddress(const char* path, sockaddr_un* address) {
  const size_t length = strlen(path);
  if (length >= sizeof(address->sun_path)) {
    errno = ENAMETOOLONG;
    return false;
  }
  *address = {};
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length);
  address->sun_len = static_cast<unsigned char>(SUN_LEN(address));
  return true;
}

FileStatus StatusFrom(const struct stat& file) {
  FileStatus status;
  status.device = file.st_dev;
  status.mode = file.st_mode;
  status.links = file.st_nlink;
  status.user = file.st_uid;
  status.group = file.st_gid;
  status.special_device = file.st_rdev;
  status.block_size = static_cast<uint64_t>(file.st_blksize);
  status.inode = file.st_ino;
  status.size = static_cast<uint64_t>(file.st_size);
  status.blocks = static_cast<uint64_t>(file.st_blocks);
  status.accessed = file.st_atim;
  status.modified = file.st_mtim;
  status.changed = file.st_ctim;
  status.born = file.st_birthtim;
  return status;
}

}  // namespace

int OpenAt(int directory, const char* path, int flags, mode_t mode) {
  return openat(directory, path, flags | O_CLOEXEC | O_RESOLVE_BENEATH, mode);
}

int StatAt(int directory, const char* path, bool follow, FileStatus* status) {
  struct stat file;
  if (fstatat(directory, path, &file, Flags(follow)) != 0) return -1;
  *status = StatusFrom(file);
  return 0;
}

int StatusOf(int fd, FileStatus* status) {
  struct stat file;
  if (fstat(fd, &file) != 0) return -1;
  *status = StatusFrom(file);
  return 0;
}

int AccessAt(int directory, const char* path, int mode) {
  return faccessat(directory, path, mode, AT_RESOLVE_BENEATH);
}

int MakeDirectoryAt(int directory, const char* path, mode_t mode) {
  return IsRelative(path) ? mkdirat(directory, path, mode) : -1;
}

int UnlinkAt(int directory, const char* path, bool remove_directory) {
  if (!IsRelative(path)) return -1;
  return unlinkat(directory, path, AT_RESOLVE_BENEATH | (remove_directory ? AT_REMOVEDIR : 0));
}

int RenameAt(int from_directory, const char* from, int to_directory, const char* to) {
  if (!IsRelative(from) || !IsRelative(to)) return -1;
  return renameat(from_directory, from, to_directory, to);
}

int LinkAt(int from_directory, const char* from, int to_directory, const char* to) {
  if (!IsRelative(to)) return -1;
  return linkat(from_directory, from, to_directory, to, AT_RESOLVE_BENEATH);
}

int SymlinkAt(const char* target, int directory, const char* path) {
  return IsRelative(path) ? symlinkat(target, directory, path) : -1;
}

ssize_t ReadLinkAt(int directory, const char* path, char* target, size_t size) {
  return IsRelative(path) ? readlinkat(directory, path, target, size) : -1;
}

int ChangeModeAt(int directory, const char* path, mode_t mode, bool follow) {
  return fchmodat(directory, path, mode, Flags(follow));
}

int ChangeOwnerAt(int directory, const char* path, uid_t user, gid_t group, bool follow) {
  return fchownat(directory, path, user, group, Flags(follow));
}

int SetTimesAt(int directory, const char* path, const timespec times[2], bool follow) {
  return utimensat(directory, path, times, Flags(follow));
}

int BindAt(int directory, int socket, const char* path) {
  sockaddr_un address;
  if (!IsRelative(path) || !FillAddress(path, &address)) return -1;
  return bindat(directory, socket, reinterpret_cast<sockaddr*>(&address), address.sun_len);
}

int ConnectAt(int directory, int socket, const char* path) {
  sockaddr_un address;
  if (!IsRelative(path) || !FillAddress(path, &address)) return -1;
  return connectat(directory, socket, reinterpret_cast<sockaddr*>(&address), address.sun_len);
}

// Not readdir(3): fdopendir(3) asks for more than the right to read.
int ReadEntries(int directory, const std::function<void(uint8_t, std::string_view)>& entry) {
  std::vector<char> buffer(size_t{64} * 1024);
  for (;;) {
    off_t base = 0;
    const ssize_t length = getdirentries(directory, buffer.data(), buffer.size(), &base);
    if (length < 0) return -1;
    if (length == 0) return 0;
    for (ssize_t offset = 0; offset < length;) {
      const auto* record = reinterpret_cast<const dirent*>(buffer.data() + offset);
      const std::string_view name(record->d_name, record->d_namlen);
      if (record->d_fileno != 0 && name != "." && name != "..") entry(record->d_type, name);
      offset += record->d_reclen;
    }
  }
}

bool SetResolveBeneath(int directory) {
  const int flags = fcntl(directory, F_GETFD);
  if (flags < 0 || fcntl(directory, F_SETFD, flags | FD_RESOLVE_BENEATH) != 0) return false;
  // A kernel that does not know the flag takes it and forgets it.
  return (fcntl(directory, F_GETFD) & FD_RESOLVE_BENEATH) != 0;
}

ssize_t Read(int fd, void* bytes, size_t size) { return read(fd, bytes, size); }

ssize_t Write(int fd, const void* bytes, size_t size) { return write(fd, bytes, size); }

int Sync(int fd) { return fsync(fd); }

int Close(int fd) { return close(fd); }

}  // namespace directory_calls
