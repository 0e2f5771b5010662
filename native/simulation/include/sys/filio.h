// The ioctl numbers of FreeBSD's <sys/filio.h>.

#ifndef SIMULATION_SYS_FILIO_H_
#define SIMULATION_SYS_FILIO_H_

// Off FreeBSD a system header may have given these names its own numbers.
#undef FIOCLEX
#undef FIONCLEX
#undef FIONREAD
#undef FIONBIO
#undef FIOASYNC

#define FIOCLEX 0x20006601UL
#define FIONCLEX 0x20006602UL
#define FIONREAD 0x4004667fUL
#define FIONBIO 0x8004667eUL
#define FIOASYNC 0x8004667dUL
#define FIODTYPE 0x4004667aUL
#define FIODGNAME 0x80106678UL

#endif  // SIMULATION_SYS_FILIO_H_
