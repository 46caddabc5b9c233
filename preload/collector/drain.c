/* See drain.h.
 *
 * Order. A pass reads the clock (T0), then all heads, then processes records stamped up to T0. What it misses was
 * published after its head was read, so whatever depends on it is stamped after T0. A free is published before the real
 * free is called; hence at the time an allocation of the same address is visible, that free is visible too, and only
 * its stamp may be a little late. Such a free is looked for and carried out early (find_late_free), without waiting. */
#include "drain.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PREFETCH_WORDS 64u    /* about 24 records */
#define LATE_NS 1000000.0     /* how far behind its allocation a free's stamp may be */
#define LATE_SHORT_NS 20000.0 /* the same for a process in which none was ever found */
#define LATE_MANY_MISSES 200u
#define FUTURE_STAMP_STEP (1ull << 24)
#define FUTURE_STAMP_NS 50000000ull /* a stamp beyond the clock for so long is taken as it is */

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

uint64_t drain_limit(const struct image *image)
{
	uint64_t limit;
	if (image->clock == TIDEMARK_CLOCK_TSC)
		limit = clock_cycles() - image->start_stamp;
	else
		limit = atomic_fetch_add(&image->shm->counter, 1);
	clock_fence();
	return limit;
}

static inline uint64_t ring_word(const struct ring *r, uint64_t position)
{
	return __atomic_load_n(&r->data[position & r->mask], __ATOMIC_RELAXED);
}

static void ring_publish_tail(struct ring *r)
{
	struct tidemark_ring *shared = r->shared;
	if (r->published_tail == r->position)
		return;
	r->published_tail = r->position;
	atomic_store(
	    &shared->tail, r->position); /* before waiting is read: the owner sets waiting, then looks at tail */
	if (unlikely(atomic_load(&shared->waiting))) {
		atomic_store(&shared->waiting, 0);
		syscall(SYS_futex, &shared->waiting, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

/* Nothing in the ring can be trusted from here on. */
static void ring_spoil(struct process *p, struct ring *r)
{
	if (!r->bad)
		p->n_lost++;
	r->bad = true;
	r->position = r->ahead = r->head;
	r->n_skips = 0;
}

static inline void ring_prefetch(const struct process *p, struct ring *r)
{
	if (r->ahead >= r->head)
		return;
	uint64_t word = ring_word(r, r->ahead);
	uint32_t op = word & 0xff, n_words = tidemark_record_words(op);
	if (op <= TIDEMARK_OP_REALLOC_BIG)
		addrmap_prefetch(&p->map, ring_word(r, r->ahead + 1) & TIDEMARK_ADDRESS_MASK);
	r->ahead = n_words ? r->ahead + n_words : r->head;
}

static inline void switch_thread(struct process *p, uint32_t thread)
{
	if (p->thread == thread)
		return;
	process_end_run(p);
	p->thread = thread;
}

/* next: the number of the next allocation, or of the one that this belongs to */
static inline void emit_ref(struct chunk *chunk, uint64_t number, uint64_t next)
{
	uint32_t i = chunk->n_refs++;
	chunk->number[i] = number;
	chunk->age[i] = next - 1 - number;
}

static inline void emit_free(struct process *p, uint64_t number)
{
	emit_ref(p->chunk, number, p->next_number);
	p->chunk->n_events++;
}

static inline void emit_alloc(struct process *p, uint64_t size_api, uint32_t node)
{
	struct chunk *chunk = p->chunk;
	uint32_t i = chunk->n_events++, a = chunk->n_allocs++;
	chunk->ops[i >> 6] |= 1ull << (i & 63);
	chunk->size_api[a] = size_api;
	chunk->node[a] = node;
}

/* Count frees that end nothing; successive ones at one place become one item. */
static void emit_no_free(struct process *p, enum tidemark_rare_kind kind, uint32_t thread)
{
	struct chunk *chunk = p->chunk;
	*(kind == TIDEMARK_RARE_UNKNOWN_FREE ? &p->n_unknown_frees : &p->n_inherited_frees) += 1;
	struct rare *last = chunk->n_rares ? &chunk->rares[chunk->n_rares - 1] : NULL;
	if (last && last->kind == kind && last->v[0] == thread && last->position == chunk->n_events &&
	    last->tick == p->tick) {
		last->v[1]++;
		return;
	}
	struct rare *rare = process_rare(p, kind);
	rare->v[0] = thread;
	rare->v[1] = 1;
}

static enum tidemark_rare_kind no_free_kind(const struct process *p, enum addrmap_found found)
{
	return p->forked && found == ADDRMAP_NONE ? TIDEMARK_RARE_INHERITED_FREE : TIDEMARK_RARE_UNKNOWN_FREE;
}

static uint64_t map_key(uint64_t word)
{
	return (word & TIDEMARK_ADDRESS_MASK) | (word >> 56 == TIDEMARK_API_POOL ? ADDRMAP_POOL : 0);
}

static bool is_skipped(const struct ring *r, uint64_t position)
{
	for (uint32_t i = 0; i < r->n_skips; i++)
		if (r->skips[i].position == position)
			return true;
	return false;
}

/* Look through what r holds for the end of the block at `key`, up to `until`. returns: its position, or UINT64_MAX */
static uint64_t ring_find_free(struct ring *r, uint64_t key, uint64_t until)
{
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
	if (r->bad || head - r->position > r->mask + 1)
		return UINT64_MAX;
	for (uint64_t at = r->position; at < head;) {
		uint64_t word = ring_word(r, at);
		uint32_t op = word & 0xff, n_words = tidemark_record_words(op);
		if (!n_words || at + n_words > head || word >> 8 > until)
			break;
		bool about_it =
		    op <= TIDEMARK_OP_REALLOC_BIG && map_key(ring_word(r, at + 1)) == key && !is_skipped(r, at);
		if (about_it)
			return op == TIDEMARK_OP_FREE || op == TIDEMARK_OP_RETIRE ? at : UINT64_MAX;
		at += n_words;
	}
	return UINT64_MAX;
}

static void ring_add_skip(struct ring *r, uint64_t position, uint64_t number)
{
	uint32_t k = r->n_skips++;
	for (; k > 0 && r->skips[k - 1].position > position; k--)
		r->skips[k] = r->skips[k - 1];
	r->skips[k] = (struct ring_skip){position, number};
}

static uint64_t late_until(const struct process *p, uint64_t stamp)
{
	if (p->image->clock != TIDEMARK_CLOCK_TSC)
		return 0;
	bool hopeless = p->n_reordered == 0 && p->n_late_misses > LATE_MANY_MISSES;
	return stamp + (uint64_t)((hopeless ? LATE_SHORT_NS : LATE_NS) / drain_state.time.ns_per_cycle);
}

/* An allocation stands at the address of a live block: the block's free is in another ring with a later stamp, or it
 * never was recorded. In the first case it is marked as done.
 * returns: the ring that freed it and *op, how; or NULL */
static struct ring *find_late_free(
    struct process *p, const struct ring *self, uint64_t key, uint64_t number, uint32_t *op)
{
	uint64_t until = late_until(p, self->stamp), found_at = 0;
	struct ring *found = NULL;
	for (uint32_t i = 0; until && i < p->n_rings; i++) {
		struct ring *r = p->rings[i];
		if (r == self || r->n_skips == RING_MAX_SKIPS)
			continue;
		uint64_t at = ring_find_free(r, key, until);
		if (at == UINT64_MAX)
			continue;
		until = ring_word(r, at) >> 8; /* of several, the first in time */
		found_at = at;
		found = r;
	}
	if (!found) {
		p->n_late_misses += until != 0;
		return NULL;
	}
	*op = ring_word(found, found_at) & 0xff;
	ring_add_skip(found, found_at, number);
	p->n_reordered++;
	return found;
}

/* The block `number` stands where another one was born. */
static __attribute__((noinline)) void end_overlapped(struct process *p, struct ring *r, uint64_t key, uint64_t number)
{
	uint32_t op = 0;
	struct ring *other = find_late_free(p, r, key, number, &op);
	if (!other) {
		struct rare *rare = process_rare(p, TIDEMARK_RARE_IMPLICIT_FREE);
		rare->v[0] = p->next_number - 1 - number;
		p->n_implicit_frees++;
		return;
	}
	if (op == TIDEMARK_OP_RETIRE)
		return; /* the block lives on until its REALLOC or END */
	switch_thread(p, other->thread);
	emit_free(p, number);
	process_make_room(p);
	switch_thread(p, r->thread);
}

static inline void take_alloc(struct process *p, struct ring *r, uint64_t word, uint64_t size, uint32_t node)
{
	uint64_t key = map_key(word), number = p->next_number, old;
	uint32_t api = word >> 56 & 0x7f;
	if (unlikely(api >= TIDEMARK_API_COUNT))
		api = TIDEMARK_API_MALLOC;
	if (unlikely(!(number & (ADDRMAP_SWEEP_PERIOD - 1)) && number))
		addrmap_sweep(&p->map, number);
	int had = addrmap_put(&p->map, key, number, &old);
	if (unlikely(had > 0))
		end_overlapped(p, r, key, old);
	p->n_lost += unlikely(had < 0);
	emit_alloc(p, size << CHUNK_API_BITS | api, node);
	p->next_number = number + 1;
}

/* realloc succeeded: the block born is also the end of the one retired. */
static inline void take_realloc(struct process *p, struct ring *r, uint64_t word, uint64_t size, uint32_t node)
{
	int retired = r->retired;
	r->retired = RETIRED_NOT;
	if (retired == RETIRED_NOTHING || retired == RETIRED_INHERITED)
		emit_no_free(p, retired == RETIRED_NOTHING ? TIDEMARK_RARE_UNKNOWN_FREE : TIDEMARK_RARE_INHERITED_FREE,
		    r->thread);
	take_alloc(p, r, word, size, node);
	if (retired != RETIRED_BLOCK)
		return;
	struct chunk *chunk = p->chunk;
	uint32_t a = chunk->n_allocs - 1;
	chunk->moves[a >> 6] |= 1ull << (a & 63);
	emit_ref(chunk, r->retired_number, p->next_number - 1);
}

/* The retired block is gone without another in its place. */
static void take_end(struct process *p, struct ring *r)
{
	int retired = r->retired;
	r->retired = RETIRED_NOT;
	if (retired == RETIRED_BLOCK)
		emit_free(p, r->retired_number);
	else if (retired == RETIRED_NOTHING || retired == RETIRED_INHERITED)
		emit_no_free(p, retired == RETIRED_NOTHING ? TIDEMARK_RARE_UNKNOWN_FREE : TIDEMARK_RARE_INHERITED_FREE,
		    r->thread);
}

static void take_retire(struct process *p, struct ring *r, uint64_t word)
{
	if (r->retired != RETIRED_NOT) {
		take_end(p, r);
		process_make_room(p);
	}
	r->retired_address = map_key(word);
	enum addrmap_found found = addrmap_take(&p->map, r->retired_address, p->next_number, &r->retired_number);
	if (found == ADDRMAP_LIVE)
		r->retired = RETIRED_BLOCK;
	else
		r->retired =
		    no_free_kind(p, found) == TIDEMARK_RARE_INHERITED_FREE ? RETIRED_INHERITED : RETIRED_NOTHING;
}

/* realloc failed: the retired block stands again. */
static void take_undo(struct process *p, struct ring *r)
{
	int retired = r->retired;
	r->retired = RETIRED_NOT;
	if (retired == RETIRED_INHERITED)
		addrmap_forget(&p->map, r->retired_address);
	if (retired != RETIRED_BLOCK)
		return;
	if (!addrmap_has(&p->map, r->retired_address)) {
		addrmap_restore(&p->map, r->retired_address, r->retired_number, p->next_number);
		return;
	}
	struct rare *rare = process_rare(p, TIDEMARK_RARE_IMPLICIT_FREE);
	rare->v[0] = p->next_number - 1 - r->retired_number;
	p->n_implicit_frees++;
}

static inline void take_free(struct process *p, struct ring *r, uint64_t word)
{
	uint64_t number;
	enum addrmap_found found = addrmap_take(&p->map, map_key(word), p->next_number, &number);
	if (likely(found == ADDRMAP_LIVE))
		emit_free(p, number);
	else
		emit_no_free(p, no_free_kind(p, found), r->thread);
}

static __attribute__((noinline)) void take_rare(struct process *p, struct ring *r, uint32_t op)
{
	static const uint8_t kinds[] = {
	    [TIDEMARK_OP_MARK] = TIDEMARK_RARE_MARK,
	    [TIDEMARK_OP_BEGIN] = TIDEMARK_RARE_OP_BEGIN,
	    [TIDEMARK_OP_FINISH] = TIDEMARK_RARE_OP_END,
	    [TIDEMARK_OP_START] = TIDEMARK_RARE_OP_START,
	    [TIDEMARK_OP_STOP] = TIDEMARK_RARE_OP_FINISH,
	    [TIDEMARK_OP_MAP] = TIDEMARK_RARE_MAP,
	    [TIDEMARK_OP_UNMAP] = TIDEMARK_RARE_UNMAP,
	    [TIDEMARK_OP_LOSS] = TIDEMARK_RARE_LOSS,
	    [TIDEMARK_OP_UNLOAD] = TIDEMARK_RARE_MODULE_UNLOAD,
	    [TIDEMARK_OP_THREAD_NAME] = TIDEMARK_RARE_THREAD_NAME,
	};
	uint64_t a = ring_word(r, r->position + 1), b = ring_word(r, r->position + 2),
	         c = ring_word(r, r->position + 3);
	process_time(p, r->stamp); /* to the tick, however many allocations there are */
	struct rare *rare = process_rare(p, kinds[op]);
	rare->v[0] = r->thread;
	switch (op) {
	case TIDEMARK_OP_START:
		rare->v[2] = b;
		rare->v[1] = a;
		break;
	case TIDEMARK_OP_MAP:
		rare->v[1] = (uint32_t)c;
		rare->v[2] = a & TIDEMARK_ADDRESS_MASK;
		rare->v[3] = b;
		break;
	case TIDEMARK_OP_UNMAP:
		rare->v[1] = a & TIDEMARK_ADDRESS_MASK;
		rare->v[2] = b;
		break;
	case TIDEMARK_OP_UNLOAD:
		rare->v[0] = a;
		break;
	case TIDEMARK_OP_THREAD_NAME:
		rare->text = strndup((const char *)(const uint64_t[2]){a, b}, 15);
		break;
	case TIDEMARK_OP_FINISH:
		break;
	default:
		rare->v[1] = a;
	}
	if (op == TIDEMARK_OP_LOSS)
		p->n_loss_records += a < UINT32_MAX ? a : UINT32_MAX;
	if (op == TIDEMARK_OP_MARK)
		p->wants_smaps = true;
}

/* The record at position was carried out when another ring needed it. */
static __attribute__((noinline)) void take_skipped(struct ring *r, uint32_t op)
{
	if (op == TIDEMARK_OP_RETIRE) {
		r->retired = RETIRED_BLOCK;
		r->retired_address = map_key(ring_word(r, r->position + 1));
		r->retired_number = r->skips[0].number;
	}
	r->n_skips--;
	for (uint32_t i = 0; i < r->n_skips; i++)
		r->skips[i] = r->skips[i + 1];
}

static inline void take_record(struct process *p, struct ring *r, uint32_t op)
{
	uint64_t at = r->position;
	switch (op) {
	case TIDEMARK_OP_FREE:
		take_free(p, r, ring_word(r, at + 1));
		break;
	case TIDEMARK_OP_ALLOC: {
		uint64_t word = ring_word(r, at + 2);
		take_alloc(p, r, ring_word(r, at + 1), (uint32_t)word, (uint32_t)(word >> 32));
		break;
	}
	case TIDEMARK_OP_ALLOC_BIG:
		take_alloc(p, r, ring_word(r, at + 1), ring_word(r, at + 3), (uint32_t)ring_word(r, at + 2));
		break;
	case TIDEMARK_OP_RETIRE:
		take_retire(p, r, ring_word(r, at + 1));
		break;
	case TIDEMARK_OP_REALLOC: {
		uint64_t word = ring_word(r, at + 2);
		take_realloc(p, r, ring_word(r, at + 1), (uint32_t)word, (uint32_t)(word >> 32));
		break;
	}
	case TIDEMARK_OP_REALLOC_BIG:
		take_realloc(p, r, ring_word(r, at + 1), ring_word(r, at + 3), (uint32_t)ring_word(r, at + 2));
		break;
	case TIDEMARK_OP_UNDO:
		take_undo(p, r);
		break;
	case TIDEMARK_OP_END:
		take_end(p, r);
		break;
	default:
		take_rare(p, r, op);
	}
}

/* Process records of r stamped up to `until`, at least the first one; r->stamp is then that of the next, if any. */
static void ring_run(struct process *p, struct ring *r, uint64_t until)
{
	uint64_t publish_at = r->published_tail + (r->mask + 1) / 4;
	bool looks_ahead = addrmap_is_large(&p->map);
	switch_thread(p, r->thread);
	if (r->ahead < r->position)
		r->ahead = r->position;
	while (looks_ahead && r->ahead < r->head && r->ahead - r->position < PREFETCH_WORDS)
		ring_prefetch(p, r);
	uint64_t word = ring_word(r, r->position);
	do {
		uint32_t op = word & 0xff, n_words = tidemark_record_words(op);
		if (unlikely(!n_words || r->head - r->position < n_words)) {
			ring_spoil(p, r);
			break;
		}
		process_make_room(p);
		r->stamp = word >> 8;
		if (unlikely(r->stamp >= p->next_tick_stamp))
			process_time(p, r->stamp);
		if (unlikely(r->n_skips && r->skips[0].position == r->position))
			take_skipped(r, op);
		else
			take_record(p, r, op);
		r->position += n_words;
		if (looks_ahead)
			ring_prefetch(p, r);
		else if (r->head - r->position > PREFETCH_WORDS) /* what the owner still writes is left to it */
			__builtin_prefetch(&r->data[(r->position + PREFETCH_WORDS) & r->mask]);
		if (unlikely(r->position >= publish_at)) {
			ring_publish_tail(r);
			publish_at = r->position + (r->mask + 1) / 4;
		}
		if (r->position >= r->head)
			break;
		word = ring_word(r, r->position);
		r->stamp = word >> 8;
	} while (r->stamp <= until);
}

/* Read the head of r. returns: whether it holds a record that may be processed now */
static bool ring_look(struct process *p, struct ring *r, uint64_t *limit)
{
	r->head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
	if (likely(r->head == r->position))
		return false;
	if (unlikely(r->bad || r->head - r->position > r->mask + 1)) {
		ring_spoil(p, r);
		ring_publish_tail(r);
		return false;
	}
	r->stamp = ring_word(r, r->position) >> 8;
	if (likely(r->stamp <= *limit)) {
		r->ahead_of_time_since_ns = 0;
		return true;
	}
	/* Later than now: wait for its time, but not for ever; clocks of a moved virtual machine may disagree. */
	if (!r->ahead_of_time_since_ns)
		r->ahead_of_time_since_ns = drain_state.now_ns;
	if (drain_state.now_ns - r->ahead_of_time_since_ns < FUTURE_STAMP_NS)
		return false;
	*limit = r->stamp + FUTURE_STAMP_STEP;
	return true;
}

static void heap_down(struct ring **heap, uint32_t n, uint32_t i)
{
	struct ring *r = heap[i];
	for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && heap[child + 1]->stamp < heap[child]->stamp)
			child++;
		if (r->stamp <= heap[child]->stamp)
			break;
		heap[i] = heap[child];
	}
	heap[i] = r;
}

static void merge(struct process *p, uint32_t n, uint64_t limit)
{
	struct ring **heap = p->heap;
	for (uint32_t i = n / 2; i-- > 0;)
		heap_down(heap, n, i);
	while (n > 0) {
		struct ring *r = heap[0];
		uint64_t until = limit;
		if (n > 1 && heap[1]->stamp < until)
			until = heap[1]->stamp;
		if (n > 2 && heap[2]->stamp < until)
			until = heap[2]->stamp;
		ring_run(p, r, until);
		if (r->position >= r->head || r->stamp > limit)
			heap[0] = heap[--n];
		if (n > 0)
			heap_down(heap, n, 0);
	}
}

uint64_t drain_process(struct process *p, uint64_t limit)
{
	uint32_t n = 0;
	uint64_t words = 0;
	if (p->image->clock != TIDEMARK_CLOCK_TSC)
		p->next_tick_stamp = 0;
	for (uint32_t i = 0; i < p->n_rings; i++)
		if (ring_look(p, p->rings[i], &limit))
			p->heap[n++] = p->rings[i];
	if (n == 0)
		return 0;
	merge(p, n, limit);
	for (uint32_t i = 0; i < p->n_rings; i++) {
		words += p->rings[i]->position - p->rings[i]->counted;
		p->rings[i]->counted = p->rings[i]->position;
		ring_publish_tail(p->rings[i]);
	}
	return words;
}

uint64_t drain_orphan(struct ring *r)
{
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire), words = head - r->position;
	r->position = head;
	ring_publish_tail(r);
	return words;
}
