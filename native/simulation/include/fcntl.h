// The host's <fcntl.h>, with what FreeBSD's has besides.

#ifndef SIMULATION_FCNTL_H_
#define SIMULATION_FCNTL_H_

// NOLINTNEXTLINE: the file of the same name further down the include path.
#include_next <fcntl.h>

#ifndef O_EXEC
// A descriptor to execute, which is all that it is used for.
#define O_EXEC O_PATH
#endif

#endif  // SIMULATION_FCNTL_H_
