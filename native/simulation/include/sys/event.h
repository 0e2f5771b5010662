// FreeBSD's <sys/event.h> as the simulated kernel offers it: EVFILT_USER, and
// the filters of processes and jails.

#ifndef SIMULATION_SYS_EVENT_H_
#define SIMULATION_SYS_EVENT_H_

#include <sys/types.h>
#include <time.h>

#include <cstdint>

#define EVFILT_PROCDESC (-8)
#define EVFILT_USER (-11)
#define EVFILT_JAIL (-14)
#define EVFILT_JAILDESC (-15)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_TRIGGER 0x01000000
#define NOTE_EXIT 0x80000000

#define NOTE_JAIL_CHILD 0x80000000
#define NOTE_JAIL_SET 0x40000000
#define NOTE_JAIL_ATTACH 0x20000000
#define NOTE_JAIL_REMOVE 0x10000000
#define NOTE_JAIL_MULTI 0x08000000

struct kevent {
  uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned int fflags;
  int64_t data;
  void* udata;
  uint64_t ext[4];
};

int kqueue();
int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const struct timespec* timeout);

#endif  // SIMULATION_SYS_EVENT_H_
