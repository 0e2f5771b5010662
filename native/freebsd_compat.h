// What the headers of a supported FreeBSD release may lack although a newer
// kernel has it. Values are those of FreeBSD 15.1; whether the running kernel
// knows them is asked at run time.

#ifndef NATIVE_FREEBSD_COMPAT_H_
#define NATIVE_FREEBSD_COMPAT_H_

#include <sys/capsicum.h>
#include <sys/user.h>

#ifndef CAP_FCHROOT  // 15.0
#define CAP_FCHROOT CAPRIGHT(0, 0x80000000000ULL)
#endif
#ifndef CAP_INOTIFY_ADD  // 15.0
#define CAP_INOTIFY_ADD CAPRIGHT(1, 0x200000ULL)
#define CAP_INOTIFY_RM CAPRIGHT(1, 0x400000ULL)
#endif

#ifndef FD_RESOLVE_BENEATH  // 15.0
#define FD_RESOLVE_BENEATH 2
#endif

#ifndef KF_TYPE_JAILDESC  // 15.0
#define KF_TYPE_JAILDESC 16
#endif

#endif  // NATIVE_FREEBSD_COMPAT_H_
