// The two jail calls that FreeBSD 15.0 added. A prebuilt addon must load on
// 14.0, whose libc has neither name, and an unknown system call number ends the
// process with SIGSYS: so each kernel defines how to reach them.

#ifndef NATIVE_JAIL_DESCRIPTOR_CALLS_H_
#define NATIVE_JAIL_DESCRIPTOR_CALLS_H_

// jail_attach_jd(2) and jail_remove_jd(2); ENOSYS on a kernel without them.
int JailAttachDescriptor(int fd);
int JailRemoveDescriptor(int fd);

#endif  // NATIVE_JAIL_DESCRIPTOR_CALLS_H_
