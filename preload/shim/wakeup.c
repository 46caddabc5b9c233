/* Doorbell, waiting for room, and giving up. Enters: a ring that is full. Leaves: room in it, or shm->detached. */
#include "wakeup.h"

#include <linux/futex.h>
#include <time.h>

#include "shm.h"
#include "sys.h"

#define MS 1000000ull
/* A wait ends by the collector's call. It ends by itself only to look whether there still is a collector: seldom, as
 * thousands of threads may wait at once. */
#define FIRST_WAIT_NS (10 * MS)
#define MAX_WAIT_NS (320 * MS)
/* Waited with neither heartbeat nor progress: the collector is gone or stopped. A wait counts as what was asked for at
 * most: where thousands of threads share few processors the collector waits for its turn as long as we do, and a machine
 * or process group that was stopped for a while counts as nothing. A wait that a signal cut short counts as what it took.
 */
#define DEAD_NS (2000 * MS)
#define STUCK_NS (10000 * MS) /* heartbeat but no progress: its disk hangs, maybe on a file system the target serves */

void wakeup_collector(void)
{
	atomic_fetch_add_explicit(&shm->doorbell, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&shm->sleeping, memory_order_seq_cst))
		SYS6(futex, &shm->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t now_ns(void)
{
	struct timespec now = {0, 0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A raw futex: no cancellation point, no errno. It ends early when a signal handler ran.
 * returns: how long it took, `ns` at most; also when a library that fakes the time has stopped it */
static uint64_t sleep_on(_Atomic uint32_t *word, uint32_t seen, uint64_t ns)
{
	struct timespec timeout = {.tv_nsec = (long)ns};
	uint64_t start = now_ns();
	SYS6(futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
	uint64_t took = now_ns() - start;
	return took == 0 || took > ns ? ns : took;
}

static bool has_room(struct tidemark_ring *ring, uint64_t cursor, uint32_t words)
{
	return cursor + words <= atomic_load_explicit(&ring->tail, memory_order_acquire) + ring->data_words;
}

struct watch {
	uint32_t heartbeat;
	uint64_t progress;
	uint64_t beatless_ns, idle_ns; /* waited since heartbeat or progress, and since progress */
};

/* After a wait. returns: false when the collector must be taken for dead */
static bool watch_lives(struct watch *w, uint64_t waited_ns)
{
	uint32_t heartbeat = atomic_load_explicit(&shm->heartbeat, memory_order_relaxed);
	uint64_t progress = atomic_load_explicit(&shm->progress, memory_order_relaxed);
	w->beatless_ns = heartbeat == w->heartbeat && progress == w->progress ? w->beatless_ns + waited_ns : 0;
	w->idle_ns = progress == w->progress ? w->idle_ns + waited_ns : 0;
	w->heartbeat = heartbeat;
	w->progress = progress;
	return w->beatless_ns < DEAD_NS && w->idle_ns < STUCK_NS;
}

/* The collector takes `waiting` back when it wakes the owner, and only this one. */
bool wakeup_wait_room(struct tidemark_ring *ring, uint64_t cursor, uint32_t words)
{
	uint64_t start = now_ns(), wait_ns = FIRST_WAIT_NS, waited_ns = 0;
	struct watch watch = {0};
	bool room = false;
	wakeup_collector();
	for (;;) {
		atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
		room = has_room(ring, cursor, words);
		if (room || atomic_load_explicit(&shm->detached, memory_order_relaxed))
			break;
		if (!watch_lives(&watch, waited_ns)) {
			atomic_store_explicit(&shm->detached, 1, memory_order_relaxed);
			break;
		}
		waited_ns = sleep_on(&ring->waiting, 1, wait_ns);
		wait_ns = 2 * wait_ns < MAX_WAIT_NS ? 2 * wait_ns : MAX_WAIT_NS;
	}
	atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&proc_self->stalls, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&proc_self->stall_ns, now_ns() - start, memory_order_relaxed);
	return room;
}

void wakeup_pause(void)
{
	_Atomic uint32_t nothing = 0;
	wakeup_collector();
	sleep_on(&nothing, 0, MS);
}
