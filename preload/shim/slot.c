/* Claims process slots. Enters: the state inherited from the parent. Leaves: proc_self and proc_slot, published to the
 * collector by the slot's state. */
#include "slot.h"

#include <unistd.h>

#include "clock.h"
#include "shm.h"
#include "sys.h"
#include "thread.h"
#include "wakeup.h"

#define SLOT_MS 500
#define ANSWER_MS 100
#define CLOSE_MS 2000

/* libc's registration behind pthread_atfork; the library outlives everything, so it needs no handle. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *handle);

static bool record_children;
static uint32_t own_pid;
static uint64_t fork_stamp; /* 0: no fork that libc knows of since the last claim */

/* Runs in the child of fork(), not of raw clone() or _Fork(). Only notes: most children exec at once. */
static void note_fork(void)
{
	if (recording != RECORDING_ON)
		return;
	fork_stamp = clock_stamp();
	threads_forked();
}

static struct tidemark_proc *proc_at(uint32_t slot)
{
	return (struct tidemark_proc *)shm_at(&shm->procs, 0) + slot;
}

bool slot_init(bool children, uint32_t exe_string, uint32_t cmdline_string, uint32_t cmdline_bytes)
{
	if (!shm_ensure(&shm->procs, sizeof(struct tidemark_proc)))
		return false;
	record_children = children;
	own_pid = (uint32_t)SYS0(getpid);
	proc_slot = 0;
	proc_self = proc_at(0);
	proc_self->pid = own_pid;
	proc_self->parent_pid = (uint32_t)SYS0(getppid);
	proc_self->exe_string = exe_string;
	proc_self->cmdline_string = cmdline_string;
	proc_self->cmdline_bytes = cmdline_bytes;
	atomic_store_explicit(&proc_self->own_private_bytes, shm_private_bytes(), memory_order_relaxed);
	atomic_store_explicit(&shm->n_procs, 1, memory_order_relaxed);
	atomic_store_explicit(&proc_self->state, TIDEMARK_PROC_LIVE, memory_order_release);
	__register_atfork(NULL, NULL, note_fork, NULL);
	return true;
}

/* Pop from free_procs. The tag keeps a slot that went away and came back in between from being mistaken. */
static bool pop_free(uint32_t *slot)
{
	uint32_t top = atomic_load_explicit(&shm->free_procs, memory_order_acquire);
	while (top & 0xffff) {
		uint32_t i = (top & 0xffff) - 1;
		if (i >= TIDEMARK_MAX_PROCS || !shm_ensure(&shm->procs, (i + 1) * sizeof(struct tidemark_proc)))
			return false;
		uint32_t next = atomic_load_explicit(&proc_at(i)->next_free, memory_order_relaxed);
		if (atomic_compare_exchange_weak_explicit(&shm->free_procs, &top,
		        ((top >> 16) + 1) << 16 | (next & 0xffff), memory_order_acq_rel, memory_order_acquire)) {
			*slot = i;
			return true;
		}
	}
	return false;
}

static bool add_slot(uint32_t *slot)
{
	if (atomic_load_explicit(&shm->n_procs, memory_order_relaxed) >= TIDEMARK_MAX_PROCS)
		return false;
	*slot = atomic_fetch_add_explicit(&shm->n_procs, 1, memory_order_relaxed);
	return *slot < TIDEMARK_MAX_PROCS && shm_ensure(&shm->procs, (*slot + 1) * sizeof(struct tidemark_proc));
}

/* When all are in use, the collector may be behind with the slots of children that are gone. */
static bool find_slot(uint32_t *slot)
{
	for (unsigned ms = 0; ms < SLOT_MS; ms++) {
		if (pop_free(slot) || add_slot(slot))
			return true;
		if (atomic_load_explicit(&shm->detached, memory_order_relaxed))
			return false;
		wakeup_pause();
	}
	return false;
}

static void clear_counters(struct tidemark_proc *p)
{
	_Atomic uint64_t *counters[] = {&p->lost_events, &p->early_events, &p->cut_stacks, &p->broken_stacks,
	    &p->lost_stacks, &p->stalls, &p->stall_ns, &p->lost_names};
	for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		atomic_store_explicit(counters[i], 0, memory_order_relaxed);
	atomic_store_explicit(&p->exit_status_known, 0, memory_order_relaxed);
	atomic_store_explicit(&p->own_private_bytes, shm_private_bytes(), memory_order_relaxed);
}

bool slot_claim(void)
{
	uint32_t slot;
	if (!record_children || atomic_load_explicit(&shm->detached, memory_order_relaxed))
		return false;
	if (!find_slot(&slot)) {
		atomic_fetch_add_explicit(
		    &proc_self->lost_events, 1, memory_order_relaxed); /* all that we can still say */
		return false;
	}
	const struct tidemark_proc *parent = proc_self;
	struct tidemark_proc *p = proc_at(slot);
	atomic_store_explicit(&p->state, TIDEMARK_PROC_CLAIMED, memory_order_relaxed);
	p->parent_pid = own_pid; /* the nearest forefather that is recorded: getppid() may be a reaper by now */
	p->parent_slot = proc_slot;
	p->pid = own_pid = (uint32_t)SYS0(getpid);
	p->fork_stamp = fork_stamp ? fork_stamp : clock_stamp();
	p->exe_string = parent->exe_string;
	p->cmdline_string = parent->cmdline_string;
	p->cmdline_bytes = parent->cmdline_bytes;
	p->generation++;
	clear_counters(p);
	proc_self = p;
	proc_slot = slot;
	atomic_store_explicit(&p->state, TIDEMARK_PROC_LIVE, memory_order_release);
	atomic_fetch_add_explicit(&shm->n_published, 1, memory_order_release);
	wakeup_collector();
	return true;
}

bool slot_is_raw(void)
{
	bool raw = fork_stamp == 0;
	fork_stamp = 0;
	return raw;
}

/* returns: false when the state did not come in time */
static bool wait_for(uint32_t state, unsigned patience_ms)
{
	for (unsigned ms = 0; ms < patience_ms; ms++) {
		if (atomic_load_explicit(&proc_self->exit_status_known, memory_order_acquire) >= state)
			return true;
		wakeup_pause();
	}
	return false;
}

void slot_exits(int status, void *unused)
{
	(void)unused;
	if (!threads_are_own()) /* a forked child that has no slot of its own */
		return;
	atomic_store_explicit(&proc_self->exit_status, (uint32_t)status & 0xff, memory_order_relaxed);
	uint32_t state = own_pid == 1 ? TIDEMARK_EXIT_ASKS : TIDEMARK_EXIT_HANDLERS_RAN;
	atomic_store_explicit(&proc_self->exit_status_known, state, memory_order_release);
	if (state == TIDEMARK_EXIT_ASKS && wait_for(TIDEMARK_EXIT_CLOSING, ANSWER_MS))
		wait_for(TIDEMARK_EXIT_CLOSED, CLOSE_MS);
}
