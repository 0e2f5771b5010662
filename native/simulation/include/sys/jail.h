// FreeBSD's <sys/jail.h> as the simulated kernel offers it.

#ifndef SIMULATION_SYS_JAIL_H_
#define SIMULATION_SYS_JAIL_H_

#include <sys/types.h>
#include <sys/uio.h>

#define JAIL_CREATE 0x01
#define JAIL_UPDATE 0x02
#define JAIL_ATTACH 0x04
#define JAIL_DYING 0x08
#define JAIL_USE_DESC 0x10
#define JAIL_AT_DESC 0x20
#define JAIL_GET_DESC 0x40
#define JAIL_OWN_DESC 0x80
#define JAIL_SET_MASK 0xff
#define JAIL_GET_MASK 0xf8

#define JAIL_SYS_DISABLE 0
#define JAIL_SYS_NEW 1
#define JAIL_SYS_INHERIT 2

int jail_set(struct iovec* parameters, unsigned int count, int flags);
int jail_get(struct iovec* parameters, unsigned int count, int flags);
int jail_attach(int jid);
int jail_remove(int jid);

#endif  // SIMULATION_SYS_JAIL_H_
