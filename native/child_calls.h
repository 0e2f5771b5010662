// The calls of spawn() that are not the same everywhere: a child's own, and
// those that only newer kernels have. One definition is linked:
// freebsd_child_calls.cc on FreeBSD, simulation/child_calls.cc elsewhere.
//
// What is marked (child) runs between fork and exec, perhaps in the parent's
// memory: no allocation, no locks, no call that libthr wraps with a state of its
// own. All answer as system calls do, -1 with errno.

#ifndef NATIVE_CHILD_CALLS_H_
#define NATIVE_CHILD_CALLS_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>

namespace child_calls {

// Whether there is pdrfork(2), since 15.1. By its RFSPAWN Start's child can run in
// the memory of the parent, which stands still until it executes or exits.
bool CanShareMemory();

enum class Birth {
  // In the parent's memory, which CanShareMemory() must allow.
  kSharing,
  // In a copy of it, and the parent goes on meanwhile.
  kCopy,
  // Likewise, and since 15.1 as a child of this process's reaper, which is init(8)
  // for most: the child of another can have itself traced by that one, by
  // PT_TRACE_ME, and no signal ends it before that one does. Simulated, it is a copy.
  kOrphan,
};

// Starts a child that runs `run` and then exits; `*fd` gets its descriptor,
// close-on-exec. The child has no signal handler of the parent's.
pid_t Start(int* fd, int flags, Birth birth, void (*run)(void*), void* argument);

// (child) Every signal to its default action, none blocked.
int ResetSignals();
int ChangeDirectory(const char* path);                                      // (child)
int ChangeDirectoryTo(int fd);                                              // (child)
int SetGroups(int count, const gid_t* groups);                              // (child)
int AttachJail(int jid);                                                    // (child)
int AttachJailDescriptor(int fd);                                           // (child)
int Execute(const char* path, char* const arguments[], char* const env[]);  // (child)
int ExecuteDescriptor(int fd, char* const arguments[], char* const env[]);  // (child)

// The jid of a name; ENOENT when there is no such jail.
int FindJail(const char* name);

// What the kernel will say in the child of a descriptor without a right, where
// that has to be known before: 0, or an errno value. The real kernel needs no
// help.
int Refusal(int fd, uint64_t right);
// The same of attaching to a jail, by its number or, where that is 0, by a
// descriptor.
int JailRefusal(int jid, int fd);
// Says that a child has attached. Only a simulated kernel has to be told.
void Attached(pid_t pid, int jid, int fd);

// pdwait(2), since 15.1; before, wait4(2) for the process's number, which only
// its parent can. Never waits: EWOULDBLOCK while the process runs.
int Reap(int fd, int* status, struct rusage* usage);

// dup(2), close-on-exec, with the rights, ioctls and fcntls that `fd` has.
int Duplicate(int fd);
// close(2) of a process descriptor.
void CloseProcess(int fd);

}  // namespace child_calls

#endif  // NATIVE_CHILD_CALLS_H_
