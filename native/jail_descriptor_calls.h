// A jail call that FreeBSD 15.0 added. A prebuilt addon must load on 14.0, whose
// libc does not have the name, and an unknown system call number ends the
// process with SIGSYS: so each kernel defines how to reach it.
//
// jail_attach_jd(2) is not among them: it never lets go of a reference to the
// jail, which stays dying for good. JAIL_ATTACH of jail_set(2) does the same
// without.

#ifndef NATIVE_JAIL_DESCRIPTOR_CALLS_H_
#define NATIVE_JAIL_DESCRIPTOR_CALLS_H_

// jail_remove_jd(2); ENOSYS on a kernel without it.
int JailRemoveDescriptor(int fd);

#endif  // NATIVE_JAIL_DESCRIPTOR_CALLS_H_
