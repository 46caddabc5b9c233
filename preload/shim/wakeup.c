/* Doorbell, waiting for room, and giving up. Enters: a ring that is full. Leaves: room in it, or shm->detached. */
#include "wakeup.h"

#include <linux/futex.h>
#include <time.h>

#include "shm.h"
#include "sys.h"

#define MS 1000000ull
#define WAIT_NS (10 * MS)
#define DEAD_NS (2000 * MS) /* neither heartbeat nor progress: the collector is gone or stopped */
#define STUCK_NS                                                                                                       \
	(10000 * MS) /* heartbeat but no progress: its disk hangs, perhaps on a file system that the target serves */

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

/* A raw futex: no cancellation point, no errno. */
static void sleep_on_room(uint32_t seen, uint64_t ns)
{
	struct timespec timeout = {.tv_nsec = (long)ns};
	SYS6(futex, &shm->room, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

static bool has_room(struct tidemark_ring *ring, uint64_t cursor, uint32_t words)
{
	return cursor + words <= atomic_load_explicit(&ring->tail, memory_order_acquire) + ring->data_words;
}

struct watch {
	uint32_t heartbeat;
	uint64_t progress;
	uint64_t beat_ns, progress_ns; /* when they last changed */
};

/* returns: false when the collector must be taken for dead */
static bool watch_lives(struct watch *w, uint64_t now)
{
	uint32_t heartbeat = atomic_load_explicit(&shm->heartbeat, memory_order_relaxed);
	uint64_t progress = atomic_load_explicit(&shm->progress, memory_order_relaxed);
	if (heartbeat != w->heartbeat)
		w->beat_ns = now;
	if (progress != w->progress)
		w->beat_ns = w->progress_ns = now;
	w->heartbeat = heartbeat;
	w->progress = progress;
	return now - w->beat_ns < DEAD_NS && now - w->progress_ns < STUCK_NS;
}

bool wakeup_wait_room(struct tidemark_ring *ring, uint64_t cursor, uint32_t words)
{
	uint64_t start = now_ns(), now = start;
	struct watch watch = {0};
	bool room = false;
	watch_lives(&watch, start);
	watch.beat_ns = watch.progress_ns = start;
	wakeup_collector();
	atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
	for (;;) {
		uint32_t seen = atomic_load_explicit(&shm->room, memory_order_seq_cst);
		room = has_room(ring, cursor, words);
		if (room || atomic_load_explicit(&shm->detached, memory_order_relaxed))
			break;
		now = now_ns();
		if (!watch_lives(&watch, now)) {
			atomic_store_explicit(&shm->detached, 1, memory_order_relaxed);
			break;
		}
		sleep_on_room(seen, WAIT_NS);
	}
	atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&proc_self->stalls, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&proc_self->stall_ns, now_ns() - start, memory_order_relaxed);
	return room;
}

void wakeup_pause(void)
{
	wakeup_collector();
	sleep_on_room(atomic_load_explicit(&shm->room, memory_order_relaxed), MS);
}
