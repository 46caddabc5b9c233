/* The two futexes between the rings' owners and the collector. Any thread, async-signal-safe, keeps errno. */
#ifndef WAKEUP_H
#define WAKEUP_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/ring.h"

/* Tell the collector that there is something to do; a system call only when it sleeps. */
void wakeup_collector(void);

/* Wait until the ring has room for `words` more than cursor. Counts a stall.
 * returns: false when nobody drains any more; then shm->detached is set */
bool wakeup_wait_room(struct tidemark_ring *ring, uint64_t cursor, uint32_t words);

/* Let a millisecond pass, or less if the collector freed something meanwhile. */
void wakeup_pause(void);

#endif
