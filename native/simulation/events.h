// What simulated facilities tell the simulated kqueues.

#ifndef SIMULATION_EVENTS_H_
#define SIMULATION_EVENTS_H_

#include <cstdint>

namespace simulation {

// Says that `ident` can be watched through `filter` from now on whenever `check`
// answers 0; otherwise EV_ADD fails with the errno value that it answers. A
// filter that nobody offers is EINVAL, as one that the kernel does not know.
void OfferEvents(short filter, int (*check)(uintptr_t ident));

// Reports an event to everybody who watches `ident`. Two that meet before they
// are read are one: their `fflags` joined, and for jails, whose `data` then says
// of whom no more, NOTE_JAIL_MULTI and 0. `last` is EV_EOF | EV_ONESHOT.
void PostEvent(short filter, uintptr_t ident, unsigned int fflags, int64_t data, bool last = false);

// Closes what queues that are closed have left open. Takes the lock of events.
void ForgetClosedQueues();

}  // namespace simulation

#endif  // SIMULATION_EVENTS_H_
