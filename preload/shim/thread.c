/* Attaches threads to rings and decides what thread_enter's compare cannot.
 * Enters: a hook on a thread whose state is closed, full, wiped or missing. Leaves: an entered state, or a counted
 * loss. Called by the record functions on every thread, also in signal handlers and in forked children. */
#include "thread.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "bounds.h"
#include "clock.h"
#include "slot.h"
#include "wakeup.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define KIB 1024u
#define N_LARGE_RINGS 256u   /* of 64 KiB */
#define N_MEDIUM_RINGS 1024u /* of 16 KiB; all further ones have 4 KiB */
#define GROWTH 4u
#define MAX_RING_BYTES                                                                                                 \
	(1024 * KIB)       /* 64 KiB grow twice; a ring of 1 MiB bridges about a millisecond of the busiest thread */
#define ATTACH_PAUSES 100  /* milliseconds to wait for a ring to be recycled when all are in use */
#define RETRY_EVENTS 1024u /* then this many events of the thread are let go before the next try */

struct thread thread_idle;
_Thread_local intptr_t thread_offset __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t unattached_losses __attribute__((tls_model("initial-exec")));
enum recording recording;

enum { PROCESS_NEW = 0, PROCESS_CLAIMING = 1, PROCESS_LIVE = 2, PROCESS_OFF = 3 };

/* Zeroed by the kernel in a forked child. Thread states are found by the index of their ring. */
static struct slab {
	_Alignas(128) _Atomic uint32_t process;
	struct thread threads[TIDEMARK_MAX_RINGS];
} * slab;
static bool kernel_wipes;

static bool map_slab(void *at)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0);
	long address = SYS6(mmap, at, sizeof(struct slab), PROT_READ | PROT_WRITE, flags, -1, 0);
	if (sys_failed(address))
		return false;
	slab = (struct slab *)address;
	return true;
}

bool threads_init(void)
{
	if (!map_slab(NULL))
		return false;
	SYS5(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, slab, sizeof(*slab), "tidemark");
	kernel_wipes = SYS3(madvise, slab, sizeof(*slab), MADV_WIPEONFORK) == 0;
	atomic_store_explicit(&slab->process, PROCESS_LIVE, memory_order_relaxed);
	return true;
}

void threads_forked(void)
{
	if (!kernel_wipes && !map_slab(slab))
		recording = RECORDING_OFF; /* its states would write into the parent's rings */
}

bool threads_are_own(void)
{
	return atomic_load_explicit(&slab->process, memory_order_relaxed) == PROCESS_LIVE;
}

static uint64_t block_signals(void)
{
	uint64_t all = ~0ull, old = 0;
	SYS4(rt_sigprocmask, SIG_BLOCK, &all, &old, 8);
	return old;
}

static void restore_signals(uint64_t old)
{
	SYS4(rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
}

/* --- descriptors --- */

static struct tidemark_ring *ring_at(uint32_t i)
{
	return (struct tidemark_ring *)shm_at(&shm->rings, 0) + i;
}

static bool open_descriptor(uint32_t i)
{
	return i < TIDEMARK_MAX_RINGS && shm_ensure(&shm->rings, (i + 1) * sizeof(struct tidemark_ring));
}

static bool pop_free(uint32_t *index)
{
	uint32_t top = atomic_load_explicit(&shm->free_rings, memory_order_acquire);
	while (top & 0xffff) {
		uint32_t i = (top & 0xffff) - 1;
		if (!open_descriptor(i))
			return false;
		uint32_t next = atomic_load_explicit(&ring_at(i)->next_free, memory_order_relaxed);
		if (atomic_compare_exchange_weak_explicit(&shm->free_rings, &top,
		        ((top >> 16) + 1) << 16 | (next & 0xffff), memory_order_acq_rel, memory_order_acquire)) {
			*index = i;
			return true;
		}
	}
	return false;
}

/* The area is smaller under RLIMIT_AS; then the rings are too. */
static uint32_t ring_bytes(uint32_t i)
{
	uint32_t bytes = i < N_LARGE_RINGS ? 64 * KIB : i < N_LARGE_RINGS + N_MEDIUM_RINGS ? 16 * KIB : 4 * KIB;
	while (bytes > 4 * KIB && bytes > shm->ring_data.size_bytes / 128)
		bytes /= 2;
	return bytes;
}

/* A descriptor never used before. bytes: of its ring, 0: what is usual for it
 * returns: false when all descriptors, or all ring memory, is taken */
static bool claim_new(uint32_t *index, uint32_t bytes)
{
	bool usual = bytes == 0;
	if (atomic_load_explicit(&shm->n_rings, memory_order_relaxed) >= TIDEMARK_MAX_RINGS)
		return false;
	uint64_t at = atomic_load_explicit(&shm->ring_data_used_bytes, memory_order_relaxed);
	do {
		if (usual)
			bytes = ring_bytes(atomic_load_explicit(&shm->n_rings, memory_order_relaxed));
		if (at + bytes > shm->ring_data.size_bytes)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
	    &shm->ring_data_used_bytes, &at, at + bytes, memory_order_relaxed, memory_order_relaxed));
	uint32_t i = atomic_fetch_add_explicit(&shm->n_rings, 1, memory_order_relaxed);
	if (!open_descriptor(i))
		return false;
	ring_at(i)->data_offset_bytes = at;
	ring_at(i)->data_words = bytes / 8;
	*index = i;
	return true;
}

static bool claim_ring(uint32_t *index)
{
	for (unsigned i = 0; i < ATTACH_PAUSES; i++) {
		if (pop_free(index) || claim_new(index, 0))
			return true;
		if (atomic_load_explicit(&shm->detached, memory_order_relaxed))
			return false;
		wakeup_pause();
	}
	return false;
}

/* --- attaching --- */

/* Lock the ring's mutex for the thread's life: the kernel marks it when the thread is gone, whatever ended it.
 * returns: the thread's id */
static uint32_t own_ring(struct tidemark_ring *ring, bool raw)
{
	pthread_mutexattr_t attributes;
	memset(&ring->owner, 0, sizeof(ring->owner));
	if (raw) /* libc believes to be the parent, and the kernel would not look at its list */
		return (uint32_t)SYS0(gettid);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&ring->owner, &attributes);
	pthread_mutex_lock(&ring->owner);
	return (uint32_t)ring->owner.__data.__owner;
}

/* Memory for the unwinder's state, kept with the thread state for its next owner, who must find it zeroed. */
static struct stack_state *renew_stack(struct stack_state *old)
{
	size_t bytes = (stack_state_bytes() + 4 * KIB - 1) / (4 * KIB) * (4 * KIB);
	uintptr_t low, high;
	void *memory = old;
	if (!memory)
		memory = shm_private(bytes);
	else if (SYS3(madvise, memory, bytes, MADV_DONTNEED) < 0)
		memset(memory, 0, bytes);
	if (!memory)
		return NULL;
	bounds_of_self(&low, &high);
	return stack_state_init(memory, low, high);
}

/* Let the thread append up to the end of the next quarter of its ring, as far as there is room. */
static void set_limit(struct thread *t)
{
	uint64_t size = t->mask + 1, quarter = size / 4;
	uint64_t full = atomic_load_explicit(&t->ring->tail, memory_order_acquire) + size;
	uint64_t next = (t->cursor + THREAD_ROOM_WORDS + quarter - 1) / quarter * quarter;
	t->open_limit = next < full ? next : full;
}

/* Bind descriptor i to this thread. of: its level 0 when this is the nested level. least: where its cursor starts or
 * above. returns: the state, open; NULL when its ring's memory cannot be opened (the descriptor stays unused) */
static struct thread *bind_ring(
    uint32_t i, const struct thread *of, struct stack_state *stack, uint64_t least, bool raw)
{
	struct tidemark_ring *ring = ring_at(i);
	struct thread *t = &slab->threads[i];
	if (!shm_ensure(&shm->ring_data, ring->data_offset_bytes + ring->data_words * 8ull))
		return NULL;
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (head < least) {
		head = least;
		atomic_store_explicit(&ring->tail, head, memory_order_relaxed);
		atomic_store_explicit(&ring->head, head, memory_order_relaxed);
	}
	memset(t, 0, sizeof(*t));
	t->stack = stack;
	t->ring = ring;
	t->data = shm_at(&shm->ring_data, ring->data_offset_bytes);
	t->mask = ring->data_words - 1;
	t->cursor = t->first_cursor = head;
	ring->serial++;
	t->number = of ? of->number : (ring->serial * TIDEMARK_MAX_RINGS + i) + 1;
	t->raw = raw;
	ring->proc_slot = proc_slot;
	ring->thread = t->number;
	ring->level = of != NULL;
	ring->tid = own_ring(ring, raw);
	atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
	set_limit(t);
	t->limit = t->open_limit;
	return t;
}

static void publish_ring(struct thread *t)
{
	atomic_store_explicit(&t->ring->state, t->raw ? TIDEMARK_RING_RAW : TIDEMARK_RING_LIVE, memory_order_release);
	atomic_fetch_add_explicit(&shm->n_published, 1, memory_order_release);
}

static struct thread *attach_ring(const struct thread *of, bool raw)
{
	uint32_t i;
	if (!claim_ring(&i))
		return NULL;
	struct thread *t = bind_ring(i, of, renew_stack(slab->threads[i].stack), 0, raw);
	if (t)
		publish_ring(t);
	return t;
}

/* Move level 0 from a full ring to one of four times its size, while others have enough left. Its cursor continues
 * above the old one, so that positions stay comparable (emit_position). The old ring is the collector's to recycle.
 * Signals are blocked. returns: the thread's state in the new ring, closed as the old one was; NULL when it stays */
static struct thread *move_to_larger(struct thread *t)
{
	uint64_t bytes = (t->mask + 1) * 8 * GROWTH, size = shm->ring_data.size_bytes;
	uint32_t i;
	if (t != thread_self() || t->retiring || bytes > MAX_RING_BYTES)
		return NULL;
	if (atomic_load_explicit(&shm->ring_data_used_bytes, memory_order_relaxed) + bytes > size / 2)
		return NULL;
	if (!claim_new(&i, (uint32_t)bytes))
		return NULL;
	struct stack_state *spare = slab->threads[i].stack;
	struct thread *n = bind_ring(i, NULL, t->stack, t->cursor + 1, t->raw);
	if (!n)
		return NULL;
	n->ring->thread = n->number = t->number;
	n->last_stamp = t->last_stamp;
	n->nested = t->nested;
	n->ending = t->ending;
	n->ending_sp = t->ending_sp;
	n->lost = t->lost;
	n->retry = t->retry;
	thread_close(n, t->sp);
	publish_ring(n);
	thread_offset = (char *)n - (char *)&thread_idle;
	struct tidemark_ring *old = t->ring;
	t->open_limit = 0;
	t->stack = spare;
	if (!t->raw)
		pthread_mutex_unlock(&old->owner);
	atomic_store_explicit(&old->state, TIDEMARK_RING_LEFT, memory_order_release);
	return n;
}

/* Move the limit on by a quarter of the ring, telling the collector. When the ring is full, move to a larger one, or
 * wait. A signal handler may fork meanwhile; in the child the state is wiped, so it is only changed while signals are
 * blocked. returns: the state to go on with; NULL when the recording is over, or this is such a child */
static struct thread *extend(struct thread *t)
{
	struct tidemark_ring *ring = t->ring;
	uint64_t mask, cursor = t->cursor;
	wakeup_collector();
	for (;;) {
		bool over = atomic_load_explicit(&shm->detached, memory_order_relaxed);
		struct thread *next = NULL;
		mask = block_signals();
		if (!t->ring)
			break;
		set_limit(t);
		if (over)
			t->open_limit = 0;
		else if (cursor + THREAD_ROOM_WORDS <= t->open_limit)
			next = t;
		else
			next = move_to_larger(t);
		restore_signals(mask);
		if (next || over)
			return next;
		wakeup_wait_room(ring, cursor, THREAD_ROOM_WORDS);
	}
	restore_signals(mask);
	return NULL;
}

/* In a forked child the first thread claims the process; whoever comes meanwhile loses its event. */
static bool process_ready(bool *raw)
{
	uint32_t state = atomic_load_explicit(&slab->process, memory_order_acquire);
	*raw = false;
	if (likely(state == PROCESS_LIVE))
		return true;
	if (state != PROCESS_NEW || !atomic_compare_exchange_strong(&slab->process, &state, PROCESS_CLAIMING))
		return false;
	bool claimed = slot_claim();
	*raw = slot_is_raw();
	atomic_store_explicit(&slab->process, claimed ? PROCESS_LIVE : PROCESS_OFF, memory_order_release);
	return claimed;
}

static struct thread *attach_self(void)
{
	bool raw = false;
	uint64_t mask = block_signals();
	struct thread *t = thread_self();
	if (t->ring || !process_ready(&raw)) /* a signal handler was faster, or there is nothing to attach to */
		goto out;
	t = attach_ring(NULL, raw);
	if (t) {
		unattached_losses = 0;
		thread_offset = (char *)t - (char *)&thread_idle;
	} else {
		unattached_losses = 1;
		atomic_fetch_add_explicit(&proc_self->lost_events, 1, memory_order_relaxed);
	}
out:
	restore_signals(mask);
	return t && t->ring ? t : NULL;
}

/* The common ways out for threads without a ring, before anything that costs a system call.
 * returns: true when this event is not to be recorded */
static bool stays_out(void)
{
	if (atomic_load_explicit(&slab->process, memory_order_relaxed) == PROCESS_OFF ||
	    atomic_load_explicit(&shm->detached, memory_order_relaxed))
		return true;
	if (unattached_losses % RETRY_EVENTS == 0)
		return false;
	unattached_losses++;
	atomic_fetch_add_explicit(&proc_self->lost_events, 1, memory_order_relaxed);
	return true;
}

/* --- levels --- */

void thread_lose(struct thread *t)
{
	t->lost++;
	atomic_fetch_add_explicit(&proc_self->lost_events, 1, memory_order_relaxed);
}

/* It was left if its caller's frame is not below us any more. Only within the thread's own stack: an alternate stack
 * may lie anywhere. A hook deeper than the abandoned one cannot tell; it uses level 1, which is as good. */
bool thread_was_abandoned(uintptr_t then, uintptr_t now)
{
	uintptr_t low, high;
	if (now < then)
		return false;
	bounds_of_self(&low, &high);
	return then >= low && now < high;
}

static struct thread *nested_level(struct thread *t)
{
	if (t->nested)
		return t->nested;
	if (t->retry) {
		t->retry--;
		return NULL;
	}
	uint64_t mask = block_signals();
	if (!t->nested && t->ring)
		t->nested = attach_ring(t, t->raw);
	if (!t->nested)
		t->retry = RETRY_EVENTS;
	restore_signals(mask);
	return t->nested;
}

/* Tell of events lost on this thread, as soon as there is room for it and for the call that asked. */
static void put_loss(struct thread *t)
{
	if (t->cursor + 2 + THREAD_ROOM_WORDS > t->open_limit)
		return;
	thread_put(t, 2, tidemark_record_head(thread_stamp(t), TIDEMARK_OP_LOSS), t->lost, 0, 0);
	t->lost = 0;
}

/* returns: the state entered; NULL when it must not be used */
static struct thread *enter_level(struct thread *t, uintptr_t sp)
{
	if (t->open_limit == 0) /* the recording is over */
		return NULL;
	if (t->limit == 0 && !thread_was_abandoned(t->sp, sp)) /* at work below us */
		return NULL;
	thread_close(t, sp);
	if (t->cursor + THREAD_ROOM_WORDS > t->open_limit) {
		struct thread *extended = extend(t);
		if (!extended) {
			thread_leave(t);
			return NULL;
		}
		t = extended;
	}
	if (unlikely(t->lost))
		put_loss(t);
	return t;
}

struct thread *thread_enter_nested(struct thread *t, uintptr_t sp)
{
	struct thread *nested = nested_level(t);
	return nested ? enter_level(nested, sp) : NULL;
}

struct thread *thread_enter_slow(uintptr_t sp)
{
	struct thread *t, *entered;
	if (recording != RECORDING_ON)
		return NULL;
	do {
		t = thread_self();
		if (!t->ring)
			t = stays_out() ? NULL : attach_self();
		if (!t)
			return NULL;
		entered = enter_level(t, sp);
	} while (unlikely(!t->ring)); /* a signal handler forked, and this is the child */
	if (entered || t->open_limit == 0)
		return entered;
	entered = thread_enter_nested(t, sp);
	if (!entered && !atomic_load_explicit(&shm->detached, memory_order_relaxed))
		thread_lose(t);
	return entered;
}
