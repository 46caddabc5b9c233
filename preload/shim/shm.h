/* The shared memory of this process image: created by the constructor, opened in steps, never unmapped.
 * Called by every other part of the shim; after shm_create only mmap, mprotect, madvise and futex are used. */
#ifndef SHM_H
#define SHM_H

#include <stdbool.h>
#include <stddef.h>

#include "sys.h"
#include "tidemark/ring.h"

/* The mapping; NULL until it stands, and for ever when recording is off. Written once by the constructor. */
extern HIDDEN struct tidemark_shm *shm;

/* Create and map the memory and set shm; called once, by the constructor. Under RLIMIT_AS everything that grows is
 * smaller. The header is filled in but for clock, start_*, depth_limit, unwinder, suppressions and maps_recorded.
 * returns: the descriptor for the collector, to be closed by the caller; negative when there is no such memory */
int shm_create(void);

/* Take it back: recording does not start. */
void shm_discard(void);

/* Pointer to byte `offset` of an area. The caller has made sure with shm_ensure that it is open. */
static inline void *shm_at(const struct tidemark_area *area, uint64_t offset_bytes)
{
	return (char *)shm + area->offset_bytes + offset_bytes;
}

/* How much of each area is open, and the rest of shm_ensure. */
extern HIDDEN _Atomic uint64_t shm_opened_bytes[];
bool shm_open_to(const struct tidemark_area *area, uint64_t bytes);

/* Make the first `bytes` of an area accessible in this process. The extent opened so far is private to a process,
 * because a forked child inherits only what its parent had opened by then. returns: false when the area is smaller than
 * that, or mprotect failed (a failure is remembered, not retried) cost:    one compare when it is open; threads: any,
 * lock-free, async-signal-safe */
static inline bool shm_ensure(const struct tidemark_area *area, uint64_t bytes)
{
	uint64_t opened = atomic_load_explicit(&shm_opened_bytes[area - &shm->procs], memory_order_acquire);
	return likely(bytes <= opened) || shm_open_to(area, bytes);
}

/* Copy n bytes and a NUL into the strings area. returns: the offset, 0 when there is no room */
uint32_t shm_put_string(const char *s, size_t n);

/* Zeroed private memory for the shim, counted in own_private_bytes; NULL when mmap fails. Never freed. */
void *shm_private(size_t bytes);

/* What shm_private handed out, in this process and its forefathers since their image's start. */
uint64_t shm_private_bytes(void);

/* Which process slot is this process (private; changes after fork). */
extern HIDDEN struct tidemark_proc *proc_self;
extern HIDDEN uint32_t proc_slot;

#endif
