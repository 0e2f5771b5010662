// Directory calls of the simulated kernel: the host's own files, found by its
// openat2(2) with RESOLVE_BENEATH, with the rights checked as FreeBSD does.
//
// Only openat2 confines a path, so every call opens the file (or, to act on a
// name itself, the directory that has it) and goes on from that descriptor.

#include "../directory_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/capsicum.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "../unique_fd.h"
#include "descriptor_table.h"

namespace directory_calls {

namespace {

int Fail(int error) {
  errno = error;
  return -1;
}

// Checks a descriptor for a right, as the kernel does before anything else.
bool Permitted(int fd, std::initializer_list<uint64_t> rights) {
  if (fd == AT_FDCWD) {
    errno = ECAPMODE;
    return !simulation::InCapabilityMode();
  }
  simulation::DescriptorTable table;
  const simulation::Slot* slot = table.Find(fd);
  if (slot == nullptr) {
    errno = EBADF;
    return false;
  }
  for (const uint64_t right : rights) {
    if (simulation::Has(slot->rights, right)) continue;
    errno = ENOTCAPABLE;
    return false;
  }
  return true;
}

int Beneath(int directory, const char* path, int flags, mode_t mode = 0) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(static_cast<uint32_t>(flags)) | O_CLOEXEC;
  how.mode = (flags & O_CREAT) != 0 ? mode & 07777 : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
    if (fd >= 0) return static_cast<int>(fd);
    // Somebody renames a directory on the way: not certain whether it is beneath.
    if (errno == EAGAIN) continue;
    // How the host says that a path leads outside.
    if (errno == EXDEV) errno = ENOTCAPABLE;
    return -1;
  }
}

// The directory that has the last name of a path, and that name.
struct Place {
  UniqueFd parent;
  std::string name;

  bool found() const { return parent.get() >= 0; }
};

Place PlaceOf(int directory, const char* path) {
  std::string text(path);
  size_t end = text.size();
  while (end > 1 && text[end - 1] == '/') end--;
  const size_t slash = end == 0 ? std::string::npos : text.rfind('/', end - 1);
  Place place;
  place.name = slash == std::string::npos ? text : text.substr(slash + 1);
  const std::string last =
      slash == std::string::npos ? text.substr(0, end) : text.substr(slash + 1, end - slash - 1);
  // These names act on a directory further up, so whether that is beneath counts.
  if (last == ".." || last.empty()) {
    const UniqueFd itself(Beneath(directory, path, O_PATH));
    if (itself.get() < 0) return place;
  }
  const std::string parent = slash == std::string::npos ? "." : text.substr(0, slash + 1);
  place.parent = UniqueFd(Beneath(directory, parent.c_str(), O_PATH | O_DIRECTORY));
  return place;
}

bool EndsInSlash(const std::string& path) { return !path.empty() && path.back() == '/'; }

// Whether the last name of a path is "." or "..": what can be neither removed
// nor renamed, which the kernel says before it looks where that is.
bool EndsInDots(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos || path.front() == '/') return false;
  const size_t slash = path.rfind('/', end);
  const size_t start = slash == std::string::npos ? 0 : slash + 1;
  const std::string last = path.substr(start, end + 1 - start);
  return last == "." || last == "..";
}

// As EndsInDots; false with errno where the way there is none.
bool LeadsToDots(int directory, const std::string& path) {
  if (!EndsInDots(path)) return false;
  const size_t end = path.find_last_not_of('/');
  const size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return true;
  const UniqueFd way(Beneath(directory, path.substr(0, slash).c_str(), O_PATH));
  return way.get() >= 0;
}

// What a new name with a slash at its end says of a file that is in the way.
bool IsBlockedByFile(const Place& place) {
  struct stat status;
  if (!EndsInSlash(place.name)) return false;
  const std::string name = place.name.substr(0, place.name.find_last_not_of('/') + 1);
  if (name.empty()) return false;
  const UniqueFd file = UniqueFd(Beneath(place.parent.get(), name.c_str(), O_PATH));
  return file.get() >= 0 && fstat(file.get(), &status) == 0 && !S_ISDIR(status.st_mode);
}

// Where chmod and its like reach the file that an O_PATH descriptor stands for.
std::string Reached(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

UniqueFd Target(int directory, const char* path, bool follow) {
  return UniqueFd(Beneath(directory, path, O_PATH | (follow ? 0 : O_NOFOLLOW)));
}

sockaddr_un AddressOf(const Place& place) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = Reached(place.parent.get()) + "/" + place.name;
  strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

// What the host tells of an open file, O_PATH or not.
int Tell(int fd, FileStatus* status) {
  struct statx file;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &file) != 0) return -1;
  const auto time = [](const statx_timestamp& stamp) {
    return timespec{static_cast<time_t>(stamp.tv_sec), static_cast<long>(stamp.tv_nsec)};
  };
  status->device = makedev(file.stx_dev_major, file.stx_dev_minor);
  status->mode = file.stx_mode;
  status->links = file.stx_nlink;
  status->user = file.stx_uid;
  status->group = file.stx_gid;
  status->special_device = makedev(file.stx_rdev_major, file.stx_rdev_minor);
  status->block_size = file.stx_blksize;
  status->inode = file.stx_ino;
  status->size = file.stx_size;
  status->blocks = file.stx_blocks;
  status->accessed = time(file.stx_atime);
  status->modified = time(file.stx_mtime);
  status->changed = time(file.stx_ctime);
  status->born = time(file.stx_btime);
  return 0;
}

// FreeBSD's sun_path is four bytes shorter than the host's.
constexpr size_t kLongestAddress = 103;

}  // namespace

int OpenAt(int directory, const char* path, int flags, mode_t mode) {
  std::vector<uint64_t> rights = {CAP_LOOKUP};
  const int access = flags & O_ACCMODE;
  const bool to_execute = (flags & O_EXEC) != 0;
  if (to_execute) rights.push_back(CAP_FEXECVE);
  if (access != O_WRONLY && !to_execute) rights.push_back(CAP_READ);
  if (access != O_RDONLY) {
    rights.push_back(CAP_WRITE);
    if ((flags & (O_APPEND | O_TRUNC)) == 0) rights.push_back(CAP_SEEK);
  }
  if ((flags & O_CREAT) != 0) rights.push_back(CAP_CREATE);
  if ((flags & O_TRUNC) != 0) rights.push_back(CAP_FTRUNCATE);
  if ((flags & (O_SYNC | O_DSYNC)) != 0) rights.push_back(CAP_FSYNC);
  for (const uint64_t right : rights) {
    if (!Permitted(directory, {right})) return -1;
  }
  const int fd = Beneath(directory, path, flags, mode);
  if (fd < 0) {
    // open(2) of FreeBSD on a symbolic link that is not to be followed.
    if (errno == ELOOP && (flags & O_NOFOLLOW) != 0) {
      const UniqueFd link(Beneath(directory, path, O_PATH | O_NOFOLLOW));
      struct stat status;
      if (link.get() >= 0 && fstat(link.get(), &status) == 0 && S_ISLNK(status.st_mode)) {
        return Fail(EMLINK);
      }
      return Fail(ELOOP);
    }
    // The host says EISDIR to whatever it should create with a slash at the end.
    if (errno == EISDIR && (flags & O_CREAT) != 0 && EndsInSlash(path)) {
      const UniqueFd itself(Beneath(directory, path, O_PATH));
      if (itself.get() < 0) return -1;
      return Fail((flags & O_EXCL) != 0 ? EEXIST : EISDIR);
    }
    return -1;
  }
  simulation::DescriptorTable().Inherit(fd, directory);
  return fd;
}

int StatAt(int directory, const char* path, bool follow, FileStatus* status) {
  if (!Permitted(directory, {CAP_FSTATAT})) return -1;
  const UniqueFd target = Target(directory, path, follow);
  return target.get() < 0 ? -1 : Tell(target.get(), status);
}

int StatusOf(int fd, FileStatus* status) {
  return Permitted(fd, {CAP_FSTAT}) ? Tell(fd, status) : -1;
}

int AccessAt(int directory, const char* path, int mode) {
  if (!Permitted(directory, {CAP_FSTATAT})) return -1;
  const UniqueFd target = Target(directory, path, true);
  if (target.get() < 0) return -1;
  return access(Reached(target.get()).c_str(), mode);
}

int MakeDirectoryAt(int directory, const char* path, mode_t mode) {
  if (!Permitted(directory, {CAP_MKDIRAT})) return -1;
  const Place place = PlaceOf(directory, path);
  if (place.found() && IsBlockedByFile(place)) return Fail(ENOTDIR);
  return place.found() ? mkdirat(place.parent.get(), place.name.c_str(), mode) : -1;
}

int UnlinkAt(int directory, const char* path, bool remove_directory) {
  if (!Permitted(directory, {CAP_UNLINKAT})) return -1;
  if (LeadsToDots(directory, path)) return Fail(remove_directory ? EINVAL : EPERM);
  const Place place = PlaceOf(directory, path);
  if (!place.found()) return -1;
  const int flags = remove_directory ? AT_REMOVEDIR : 0;
  const int result = unlinkat(place.parent.get(), place.name.c_str(), flags);
  return result != 0 && errno == EISDIR ? Fail(EPERM) : result;
}

int RenameAt(int from_directory, const char* from, int to_directory, const char* to) {
  if (!Permitted(from_directory, {CAP_RENAMEAT_SOURCE}) ||
      !Permitted(to_directory, {CAP_RENAMEAT_TARGET})) {
    return -1;
  }
  if (LeadsToDots(from_directory, from)) return Fail(EINVAL);
  const Place source = PlaceOf(from_directory, from);
  if (!source.found()) return -1;
  const Place target = PlaceOf(to_directory, to);
  if (EndsInDots(to)) return target.found() || errno == ENOTCAPABLE ? Fail(EINVAL) : -1;
  if (!target.found()) return -1;
  // What is in the way is removed, and that has a right of its own.
  struct stat status;
  if (fstatat(target.parent.get(), target.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      !Permitted(to_directory, {CAP_UNLINKAT})) {
    return -1;
  }
  const int result =
      renameat(source.parent.get(), source.name.c_str(), target.parent.get(), target.name.c_str());
  // The host says ENOTDIR of whatever a file should become with a slash at the end.
  if (result != 0 && errno == ENOTDIR && EndsInSlash(to)) {
    const UniqueFd itself(Beneath(to_directory, to, O_PATH));
    return itself.get() < 0 ? -1 : Fail(EISDIR);
  }
  return result;
}

int LinkAt(int from_directory, const char* from, int to_directory, const char* to) {
  if (!Permitted(from_directory, {CAP_LINKAT_SOURCE}) ||
      !Permitted(to_directory, {CAP_LINKAT_TARGET})) {
    return -1;
  }
  const Place source = PlaceOf(from_directory, from);
  if (!source.found()) return -1;
  const Place target = PlaceOf(to_directory, to);
  if (!target.found()) return -1;
  if (IsBlockedByFile(target)) return Fail(ENOTDIR);
  return linkat(source.parent.get(), source.name.c_str(), target.parent.get(), target.name.c_str(),
                0);
}

int SymlinkAt(const char* target, int directory, const char* path) {
  if (!Permitted(directory, {CAP_SYMLINKAT})) return -1;
  const Place place = PlaceOf(directory, path);
  if (place.found() && IsBlockedByFile(place)) return Fail(ENOTDIR);
  return place.found() ? symlinkat(target, place.parent.get(), place.name.c_str()) : -1;
}

ssize_t ReadLinkAt(int directory, const char* path, char* target, size_t size) {
  if (!Permitted(directory, {CAP_LOOKUP})) return -1;
  // The directory itself, which is no link.
  if (*path == '\0') return Fail(EINVAL);
  const Place place = PlaceOf(directory, path);
  return place.found() ? readlinkat(place.parent.get(), place.name.c_str(), target, size) : -1;
}

int ChangeModeAt(int directory, const char* path, mode_t mode, bool follow) {
  if (!Permitted(directory, {CAP_FCHMODAT})) return -1;
  const UniqueFd target = Target(directory, path, follow);
  return target.get() < 0 ? -1 : chmod(Reached(target.get()).c_str(), mode);
}

int ChangeOwnerAt(int directory, const char* path, uid_t user, gid_t group, bool follow) {
  if (!Permitted(directory, {CAP_FCHOWNAT})) return -1;
  const UniqueFd target = Target(directory, path, follow);
  return target.get() < 0 ? -1 : fchownat(target.get(), "", user, group, AT_EMPTY_PATH);
}

int SetTimesAt(int directory, const char* path, const timespec times[2], bool follow) {
  if (!Permitted(directory, {CAP_FUTIMESAT})) return -1;
  if (follow) {
    const UniqueFd target = Target(directory, path, true);
    if (target.get() < 0) return -1;
    return utimensat(AT_FDCWD, Reached(target.get()).c_str(), times, 0);
  }
  const Place place = PlaceOf(directory, path);
  if (!place.found()) return -1;
  return utimensat(place.parent.get(), place.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

int BindAt(int directory, int socket, const char* path) {
  if (strlen(path) > kLongestAddress) return Fail(ENAMETOOLONG);
  if (!Permitted(socket, {CAP_BIND}) || !Permitted(directory, {CAP_BINDAT})) return -1;
  const Place place = PlaceOf(directory, path);
  if (!place.found()) return -1;
  const sockaddr_un address = AddressOf(place);
  return bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

int ConnectAt(int directory, int socket, const char* path) {
  if (strlen(path) > kLongestAddress) return Fail(ENAMETOOLONG);
  if (!Permitted(socket, {CAP_CONNECT}) || !Permitted(directory, {CAP_CONNECTAT})) return -1;
  // The socket itself, wherever a link leads to it.
  const UniqueFd target = Target(directory, path, true);
  if (target.get() < 0) return -1;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, Reached(target.get()).c_str(), sizeof(address.sun_path) - 1);
  return connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

int ReadEntries(int directory, const std::function<void(uint8_t, std::string_view)>& entry) {
  if (!Permitted(directory, {CAP_READ})) return -1;
  const int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return -1;
  DIR* stream = fdopendir(copy);
  if (stream == nullptr) {
    const int error = errno;
    close(copy);
    return Fail(error);
  }
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* record = readdir(stream);
    if (record == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name(record->d_name);
    if (name != "." && name != "..") entry(record->d_type, name);
  }
  closedir(stream);
  return error == 0 ? 0 : Fail(error);
}

bool SetResolveBeneath(int directory) {
  // Everything here is confined already; the flag itself came with 15.0.
  return fcntl(directory, F_GETFD) >= 0 && simulation::Osreldate() >= 1500000;
}

ssize_t Read(int fd, void* bytes, size_t size) {
  return Permitted(fd, {CAP_READ}) ? read(fd, bytes, size) : -1;
}

ssize_t Write(int fd, const void* bytes, size_t size) {
  return Permitted(fd, {CAP_WRITE}) ? write(fd, bytes, size) : -1;
}

int Sync(int fd) { return Permitted(fd, {CAP_FSYNC}) ? fsync(fd) : -1; }

int Close(int fd) {
  simulation::DescriptorTable().Forget(fd);
  return close(fd);
}

}  // namespace directory_calls
