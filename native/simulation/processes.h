// Process descriptors over real child processes: each is a pidfd of the host.

#ifndef SIMULATION_PROCESSES_H_
#define SIMULATION_PROCESSES_H_

#include <sys/types.h>

#include <optional>

namespace simulation {

// The process of a process descriptor, also after its end; nothing for another
// descriptor.
std::optional<pid_t> ProcessOf(int fd);

// Whether the process is a child of this one that was not reaped.
bool IsOwnChild(int fd);

// The wait status of a process that has ended, without reaping it.
std::optional<int> ExitStatusOf(int fd);

// Says that `fd` was closed. If it was a process descriptor, its process is
// killed, unless it is a daemon, and reaped: as the kernel does with the last
// descriptor of a process. A duplicate is not the last one, and does nothing.
void ProcessClosed(int fd);

// Waits for the children that have ended without a descriptor of them.
void ReapClosed();

}  // namespace simulation

#endif  // SIMULATION_PROCESSES_H_
