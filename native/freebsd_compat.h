// What the headers of a supported FreeBSD release may lack although a newer
// kernel has it. Values are those of FreeBSD 15.1; whether the running kernel
// knows them is asked at run time.

#ifndef NATIVE_FREEBSD_COMPAT_H_
#define NATIVE_FREEBSD_COMPAT_H_

#include <sys/capsicum.h>
#include <sys/types.h>
#include <sys/user.h>
// Keep this order: sys/event.h needs sys/types.h.
#include <sys/event.h>

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

#ifndef EVFILT_JAIL  // 15.0
#define EVFILT_JAIL (-14)
#define EVFILT_JAILDESC (-15)
#define NOTE_JAIL_CHILD 0x80000000
#define NOTE_JAIL_SET 0x40000000
#define NOTE_JAIL_ATTACH 0x20000000
#define NOTE_JAIL_REMOVE 0x10000000
#define NOTE_JAIL_MULTI 0x08000000
#endif

#ifndef JAIL_USE_DESC  // 15.0
#define JAIL_USE_DESC 0x10
#define JAIL_AT_DESC 0x20
#define JAIL_GET_DESC 0x40
#define JAIL_OWN_DESC 0x80
#endif

#endif  // NATIVE_FREEBSD_COMPAT_H_
