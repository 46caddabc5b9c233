/* From rings to chunks: merge the records of a process's rings into one total order, carry them out on the address map,
 * append the events that result to its chunk. Drain thread only. */
#ifndef DRAIN_H
#define DRAIN_H

#include "recorded.h"

/* The stamp up to which everything that was published can be processed now. Read it first, then look for new rings
 * (watch_arrivals), then drain. */
uint64_t drain_limit(const struct image *image);

/* Process what the rings of p hold up to `limit`; DRAIN_ALL for a dead process.
 * returns: words consumed
 * cost:    5 to 15 ns an event */
uint64_t drain_process(struct process *p, uint64_t limit);
#define DRAIN_ALL UINT64_MAX

/* Throw away what a ring without a process holds, so that nobody waits for it. returns: words */
uint64_t drain_orphan(struct ring *ring);

#endif
