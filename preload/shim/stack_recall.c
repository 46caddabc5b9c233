/* See stack_recall.h. */
#include "stack_recall.h"

#include <stddef.h>
#include <string.h>

#include "intern.h"
#include "shm.h"
#include "unwind_rules.h"

#define SHAPE_UNITS(n_slots) ((offsetof(struct recall_shape, slots) + 2 * (n_slots) + 7) / 8)

#define REACH_BYTES (8ull << 16)      /* what a shape's slots can span */
#define ABOVE_ROOT_BYTES 1024u        /* of it so much above the outermost frame's stack pointer */
#define NO_SHAPE_UNITS SHAPE_UNITS(0) /* at unit 0: what an empty place of the index means. It is for pc 0, nobody's */

static_assert(RECALL_ARENA_UNITS <= UINT16_MAX, "units fit the index");
static_assert(SHAPE_UNITS(RECALL_CHECKS) < RECALL_SEGMENT_UNITS, "any shape fits a segment");
static_assert(sizeof(struct recall_line) == 64, "a cache line");

#define MAX_RECALLS 1024u /* threads that have one at a time: 128 MiB of address space; others walk */

uint64_t recall_keys[RECALL_CHECKS];

void recall_init(void)
{
	uint64_t x = 0;
	for (uint32_t i = 0; i < RECALL_CHECKS; i++)
		recall_keys[i] = recall_fold(x += RECALL_STEP, RECALL_KEY) | 1;
}

static inline uint64_t load(uint64_t slot)
{
	return *(const volatile uint64_t *)(uintptr_t)slot;
}

static struct recall_shape *shape_at(struct recall *r, uint32_t unit)
{
	return (struct recall_shape *)&r->arena[unit];
}

void recall_reset(struct recall *r)
{
	r->n = r->n_checks = 0;
	memset(r->index, 0, sizeof(r->index));
	memset(r->lines, 0, sizeof(r->lines));
}

static void add_node(struct recall *r, uint64_t key, uint32_t node)
{
	struct recall_line *line = &r->lines[recall_line_of(key)];
	uint32_t i = line->turn++ % RECALL_LINE_NODES;
	line->key[i] = key;
	line->node[i] = node;
}

static bool is_meant(struct recall *r, uint32_t unit, uint64_t pc, uint64_t sp)
{
	return shape_at(r, unit)->pc == pc && shape_at(r, unit)->sp == sp;
}

static void put_first(uint16_t *set, uint32_t i)
{
	uint16_t unit = set[i];
	for (; i > 0; i--)
		set[i] = set[i - 1];
	set[0] = unit;
}

uint32_t recall_find_other(struct recall *r, uint64_t pc, uint64_t sp, uint64_t bp)
{
	uint16_t *set = r->index[recall_set_of(pc, sp)];
	for (uint32_t i = 1; i < RECALL_WAYS; i++) {
		if (!is_meant(r, set[i], pc, sp))
			continue;
		uint32_t node = recall_node(r, recall_hash(shape_at(r, set[i]), bp));
		if (node) {
			put_first(set, i);
			return node;
		}
	}
	return 0;
}

/* The slots that a frame's way to the root read lie above its stack pointer. */
int32_t recall_verify(const struct recall *r, uint64_t sp)
{
	int32_t i = (int32_t)r->n - 1;
	uint32_t c = 0;
	while (i >= 0 && r->frames[i].sp < sp)
		i--;
	if (i < 0)
		return i;
	while (c < r->frames[i].n_checks && load(r->checks[c].slot) == r->checks[c].value)
		c++;
	while (i >= 0 && r->frames[i].n_checks > c)
		i--;
	return i;
}

static inline bool is_near(const struct recall *r, uint64_t slot)
{
	return slot - r->floor < REACH_BYTES && slot % 8 == 0;
}

static void add_check(struct recall *r, uint64_t slot, uint64_t value)
{
	uint32_t n = r->n_checks;
	if (!is_near(r, slot) && r->first_far > n)
		r->first_far = n;
	r->slots[n] = (uint16_t)((slot - r->floor) / 8);
	r->sum.slots += r->slots[n] * recall_keys[n];
	r->sum.values += value * recall_keys[n];
	r->checks[r->n_checks++] = (struct recall_check){slot, value};
}

/* One more frame at the leaf: what its step to `outer` read, and whether it or a later one looks at rbp. */
static void add_frame(struct recall *r, const struct unwind_frame *f, uint64_t hash)
{
	const struct unwind_known *outer = r->n ? &r->frames[r->n - 1] : NULL;
	struct unwind_known *known = &r->frames[r->n];
	unsigned kind = rule_kind(f->rule);
	bool outer_live = outer && outer->bp_live;
	known->bp_live = kind == RULE_BP || kind == RULE_GUESS || kind == RULE_DEREF;
	if (outer) {
		if (kind == RULE_DEREF)
			add_check(r, f->bp + (uint64_t)rule_cfa_offset(f->rule), outer->sp);
		if (outer_live && rule_bp(f->rule) == RULE_BP_SAME)
			known->bp_live = 1;
		else if (outer_live && rule_bp(f->rule) == RULE_BP_AT_CFA)
			add_check(r, outer->sp + (uint64_t)rule_bp_offset(f->rule), outer->bp);
		else if (outer_live) {
			add_check(r, f->bp + (uint64_t)rule_bp_offset(f->rule), outer->bp);
			known->bp_live = 1;
		}
		add_check(r, outer->sp - 8, outer->word & TIDEMARK_ADDRESS_MASK);
	}
	known->word = f->word;
	known->sp = f->sp;
	known->bp = f->bp;
	known->hash = intern_extend(hash, f->word);
	known->n_checks = (uint16_t)r->n_checks;
	known->node = 0;
	r->sums[r->n] = r->sum;
	r->n++;
}

/* Forget all but the n outermost frames. */
static void keep_frames(struct recall *r, uint32_t n)
{
	r->n = n;
	r->n_checks = n ? r->frames[n - 1].n_checks : 0;
	r->sum = n ? r->sums[n - 1] : (struct recall_sums){0, 0};
	if (r->first_far >= r->n_checks)
		r->first_far = UINT32_MAX;
}

/* The outermost frame of a walk that met nothing known. */
static void add_root(struct recall *r, const struct unwind_walk *w, const struct unwind_frame *f, uint64_t seed)
{
	keep_frames(r, 0);
	r->broken = w->broken;
	r->floor = (f->sp & ~7ull) + ABOVE_ROOT_BYTES - REACH_BYTES;
	/* It ended because there was no return address where one should be: another value there would make it go on. */
	if (w->end_sp) {
		if (rule_kind(f->rule) == RULE_DEREF)
			add_check(r, f->bp + (uint64_t)rule_cfa_offset(f->rule), w->end_sp);
		add_check(r, w->end_sp - 8, load(w->end_sp - 8));
	}
	add_frame(r, f, w->broken ? intern_extend(seed, intern_word(0, TIDEMARK_NODE_BROKEN)) : seed);
}

bool recall_add(struct recall *r, const struct unwind_walk *w, uint64_t seed)
{
	uint32_t i = (uint32_t)w->n;
	if (w->join < 0) {
		if (i == 0)
			return false;
		add_root(r, w, &w->frames[--i], seed);
	} else
		keep_frames(r, (uint32_t)w->join + 1);
	while (i > 0 && r->n < RECALL_FRAMES && r->n_checks + 3 <= RECALL_CHECKS) {
		i--;
		add_frame(r, &w->frames[i], r->frames[r->n - 1].hash);
	}
	return i == 0;
}

/* The next segment, without the shapes that it held. */
static void open_segment(struct recall *r)
{
	uint16_t start = (uint16_t)((r->head / RECALL_SEGMENT_UNITS + 1) % RECALL_SEGMENTS * RECALL_SEGMENT_UNITS);
	uint16_t *index = &r->index[0][0];
	for (uint32_t i = 0; i < RECALL_SETS * RECALL_WAYS; i++)
		index[i] = (uint16_t)(index[i] - start) < RECALL_SEGMENT_UNITS ? 0 : index[i];
	r->head = start;
}

static uint32_t make_room(struct recall *r, uint32_t units)
{
	/* Never up to the end, so that head stays in its segment. */
	if (r->head % RECALL_SEGMENT_UNITS + units >= RECALL_SEGMENT_UNITS)
		open_segment(r);
	if (r->head == 0)
		r->head = NO_SHAPE_UNITS;
	uint32_t unit = r->head;
	r->head += units;
	return unit;
}

/* Writes the shape of the trail where the next one goes. returns: its unit */
static uint32_t write_shape(struct recall *r, const struct unwind_known *leaf, uint64_t pc)
{
	uint32_t n = r->n_checks, unit = make_room(r, SHAPE_UNITS(n));
	struct recall_shape *shape = shape_at(r, unit);
	uint64_t seed = recall_fold(pc ^ RECALL_KEY, leaf->sp ^ RECALL_STEP) + n + leaf->bp_live;
	memcpy(shape->slots, r->slots, n * sizeof(shape->slots[0]));
	shape->pc = pc;
	shape->sp = leaf->sp;
	shape->seed = recall_fold(seed ^ r->sum.slots, r->floor ^ RECALL_KEY);
	shape->below = (uint32_t)((leaf->sp - r->floor) / 8);
	shape->n_slots = (uint16_t)n;
	shape->bp_live = leaf->bp_live;
	return unit;
}

void recall_remember(struct recall *r)
{
	const struct unwind_known *leaf = &r->frames[r->n - 1];
	uint64_t pc = leaf->word & TIDEMARK_ADDRESS_MASK;
	uint16_t *set = r->index[recall_set_of(pc, leaf->sp)];
	if (r->first_far < r->n_checks || !is_near(r, leaf->sp))
		return;
	uint32_t i = 0, unit = write_shape(r, leaf, pc);
	while (i < RECALL_WAYS && shape_at(r, set[i])->seed != shape_at(r, unit)->seed)
		i++;
	if (i == RECALL_WAYS)
		set[--i] = (uint16_t)unit;
	else
		r->head = unit; /* it is there */
	put_first(set, i);
	add_node(r, recall_key(shape_at(r, set[0]), r->sum.values, leaf->bp), leaf->node);
}

static struct {
	_Atomic(const void *) owner;
	_Atomic(struct recall *) memory;
} pool[MAX_RECALLS];
static _Atomic uint32_t n_pool;
static _Atomic uint32_t pool_process = UINT32_MAX; /* process slot that the owners are threads of */

static uint32_t count_pool(void)
{
	uint32_t n = atomic_load_explicit(&n_pool, memory_order_acquire);
	return n < MAX_RECALLS ? n : MAX_RECALLS;
}

struct recall *recall_take(const void *state)
{
	uint32_t n = count_pool();
	for (uint32_t i = 0; i < n; i++) {
		const void *nobody = NULL;
		struct recall *r = atomic_load_explicit(&pool[i].memory, memory_order_acquire);
		if (r && !atomic_load_explicit(&pool[i].owner, memory_order_relaxed) &&
		    atomic_compare_exchange_strong(&pool[i].owner, &nobody, state)) {
			recall_reset(r);
			return r;
		}
	}
	if (n == MAX_RECALLS || (n = atomic_fetch_add_explicit(&n_pool, 1, memory_order_relaxed)) >= MAX_RECALLS)
		return NULL;
	struct recall *r = shm_private(sizeof(*r));
	if (!r)
		return NULL;
	atomic_store_explicit(&pool[n].owner, state, memory_order_relaxed);
	atomic_store_explicit(&pool[n].memory, r, memory_order_release);
	return r;
}

void recall_reclaim(const void *state)
{
	uint32_t n = count_pool();
	/* In a forked child nobody but this thread is left of those that had one. */
	bool forked = atomic_exchange_explicit(&pool_process, proc_slot, memory_order_relaxed) != proc_slot;
	for (uint32_t i = 0; i < n; i++)
		if (forked || atomic_load_explicit(&pool[i].owner, memory_order_relaxed) == state)
			atomic_store_explicit(&pool[i].owner, NULL, memory_order_release);
}
