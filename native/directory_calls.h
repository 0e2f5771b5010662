// The kernel's calls on names beneath a directory descriptor, none of which
// lets a path lead outside of it. One definition is linked:
// freebsd_directory_calls.cc on FreeBSD, simulation/directory_calls.cc
// elsewhere.
//
// Each returns as the system call it is named for: -1 with errno for a failure.

#ifndef NATIVE_DIRECTORY_CALLS_H_
#define NATIVE_DIRECTORY_CALLS_H_

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <functional>
#include <string_view>

namespace directory_calls {

// What stat(2) tells, in Node's order of fields.
struct FileStatus {
  uint64_t device = 0;
  uint64_t mode = 0;
  uint64_t links = 0;
  uint64_t user = 0;
  uint64_t group = 0;
  uint64_t special_device = 0;
  uint64_t block_size = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;
  timespec accessed = {};
  timespec modified = {};
  timespec changed = {};
  timespec born = {};
};

// Adds O_CLOEXEC.
int OpenAt(int directory, const char* path, int flags, mode_t mode);
int StatAt(int directory, const char* path, bool follow, FileStatus* status);
int AccessAt(int directory, const char* path, int mode);
int MakeDirectoryAt(int directory, const char* path, mode_t mode);
int UnlinkAt(int directory, const char* path, bool remove_directory);
int RenameAt(int from_directory, const char* from, int to_directory, const char* to);
// Does not follow a symbolic link in the last place.
int LinkAt(int from_directory, const char* from, int to_directory, const char* to);
int SymlinkAt(const char* target, int directory, const char* path);
ssize_t ReadLinkAt(int directory, const char* path, char* target, size_t size);
int ChangeModeAt(int directory, const char* path, mode_t mode, bool follow);
int ChangeOwnerAt(int directory, const char* path, uid_t user, gid_t group, bool follow);
// Access time, then modification time.
int SetTimesAt(int directory, const char* path, const timespec times[2], bool follow);
// Binds, or connects, a socket of AF_UNIX.
int BindAt(int directory, int socket, const char* path);
int ConnectAt(int directory, int socket, const char* path);
// Calls back with each entry (DT_*, name) but "." and "..", in no order.
int ReadEntries(int directory, const std::function<void(uint8_t, std::string_view)>& entry);
// Sets FD_RESOLVE_BENEATH for good; false where the kernel has no such flag.
bool SetResolveBeneath(int directory);
// What is done with a file once it is open: fstat(2), read(2), write(2),
// fsync(2), close(2).
int StatusOf(int fd, FileStatus* status);
ssize_t Read(int fd, void* bytes, size_t size);
ssize_t Write(int fd, const void* bytes, size_t size);
int Sync(int fd);
int Close(int fd);

}  // namespace directory_calls

#endif  // NATIVE_DIRECTORY_CALLS_H_
