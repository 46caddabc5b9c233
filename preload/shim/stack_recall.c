/* See stack_recall.h. */
#include "stack_recall.h"

#include <string.h>

#include "intern.h"
#include "shm.h"
#include "unwind_rules.h"

#define MAX_POINTS 24u /* that one key may depend on */
#define UNIT_BITS 13
#define UNIT_MASK ((1u << UNIT_BITS) - 1)
#define HEAD_UNITS 4u
#define SLOT_BITS 16 /* of a packed check: the slot's distance from sp; 48 are left for the value */

static_assert(sizeof(struct recall_entry) == HEAD_UNITS * sizeof(uint64_t), "arena unit");
static_assert(RECALL_ARENA_UNITS <= UNIT_MASK, "units fit the index");
static_assert(HEAD_UNITS + RECALL_CHECKS < RECALL_SEGMENT_UNITS, "any entry fits a segment");

#define MAX_RECALLS 1024u /* threads that have one at a time: 72 MiB of address space; others walk */

static inline uint64_t load(uint64_t slot)
{
	return *(const volatile uint64_t *)(uintptr_t)slot;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b * 0x9e3779b97f4a7c15ull) * 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

static inline uint32_t tag_of(uint64_t key)
{
	return (uint32_t)(key >> 32) & ~UNIT_MASK;
}

static struct recall_entry *entry_at(struct recall *r, uint32_t unit)
{
	return (struct recall_entry *)&r->arena[unit];
}

void recall_reset(struct recall *r)
{
	r->n = 0;
	r->n_checks = 0;
	memset(r->index, 0, sizeof(r->index));
}

static inline uint16_t point_tag(uint64_t key)
{
	return (uint16_t)(key >> 48);
}

/* Where the walks of this key part: words above sp; 0 when they do not. */
static inline uint16_t find_point(const struct recall *r, uint64_t key)
{
	const struct recall_point *pair = &r->points[key % RECALL_POINTS & ~1ull];
	if (pair[0].tag == point_tag(key))
		return pair[0].distance;
	return pair[1].tag == point_tag(key) ? pair[1].distance : 0;
}

static void add_point(struct recall *r, uint64_t key, uint16_t distance)
{
	struct recall_point *pair = &r->points[key % RECALL_POINTS & ~1ull];
	uint64_t way = pair[0].distance && pair[0].tag != point_tag(key);
	if (way && pair[1].distance && pair[1].tag != point_tag(key))
		way = r->victim++ % 2;
	pair[way] = (struct recall_point){point_tag(key), distance};
}

/* A key for the walks that may be meant: from pc and sp on, the value of each slot where those that agreed so far have
 * parted. */
static inline uint64_t find_key(const struct recall *r, uint64_t pc, uint64_t sp, uint64_t high)
{
	uint64_t key = mix(pc, sp);
	for (uint32_t i = 0; i < MAX_POINTS; i++) {
		uint64_t distance = find_point(r, key);
		if (distance == 0 || sp + 8 * distance > high - 8)
			break;
		key = mix(key, load(sp + 8 * distance));
	}
	return key;
}

static inline uint64_t packed_slot(uint64_t packed, uint64_t sp)
{
	return sp + 8 * (packed & ((1u << SLOT_BITS) - 1));
}

/* returns: 0 when all stand, else a slot that does not */
static inline uint64_t find_changed(const uint64_t *packed, uint32_t n, uint64_t sp)
{
	for (uint32_t i = 0; i < n; i++)
		if (load(packed_slot(packed[i], sp)) != packed[i] >> SLOT_BITS)
			return packed_slot(packed[i], sp);
	return 0;
}

uint32_t recall_find(struct recall *r, uint64_t pc, uint64_t sp, uint64_t bp, uint64_t high)
{
	uint64_t key = find_key(r, pc, sp, high);
	const uint32_t *set = r->index[key % RECALL_SETS];
	uint32_t tag = tag_of(key);
	uint64_t changed = 0;
	uint32_t n_changed = 0;
	for (uint32_t i = 0; i < RECALL_WAYS; i++) {
		if (set[i] == 0 || (set[i] & ~UNIT_MASK) != tag)
			continue;
		const struct recall_entry *e = entry_at(r, set[i] & UNIT_MASK);
		if (e->pc != pc || e->sp != sp || (e->bp_live && e->bp != bp))
			continue;
		uint64_t slot = find_changed((const uint64_t *)(e + 1), e->n_checks, sp);
		if (slot == 0)
			return e->node;
		changed = slot;
		n_changed++;
	}
	/* Too many for one key: from now on they part at this slot. The first that differs, from the leaf, is one that
	 * all read. */
	if (n_changed > 1 && (changed - sp) / 8 <= UINT16_MAX)
		add_point(r, key, (uint16_t)((changed - sp) / 8));
	return 0;
}

int32_t recall_verify(const struct recall *r, uint64_t sp)
{
	uint32_t c = 0;
	int32_t i = (int32_t)r->n - 1;
	while (c < r->n_checks && r->checks[c].slot >= sp && load(r->checks[c].slot) == r->checks[c].value)
		c++;
	while (i >= 0 && (r->frames[i].n_checks > c || r->frames[i].sp < sp))
		i--;
	return i;
}

static void add_check(struct recall *r, uint64_t slot, uint64_t value)
{
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
	known->node = 0;
	known->n_checks = (uint16_t)r->n_checks;
	r->n++;
}

/* The outermost frame of a walk that met nothing known. */
static void add_root(struct recall *r, const struct unwind_walk *w, const struct unwind_frame *f, uint64_t seed)
{
	r->n = 0;
	r->n_checks = 0;
	r->broken = w->broken;
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
	} else {
		r->n = (uint32_t)w->join + 1;
		r->n_checks = r->frames[w->join].n_checks;
	}
	while (i > 0 && r->n < RECALL_FRAMES && r->n_checks + 3 <= RECALL_CHECKS) {
		i--;
		add_frame(r, &w->frames[i], r->frames[r->n - 1].hash);
	}
	return i == 0;
}

/* The next segment, without the entries that it held. */
static void open_segment(struct recall *r)
{
	uint32_t start = (r->head / RECALL_SEGMENT_UNITS + 1) % RECALL_SEGMENTS * RECALL_SEGMENT_UNITS;
	for (uint32_t set = 0; set < RECALL_SETS; set++)
		for (uint32_t i = 0; i < RECALL_WAYS; i++)
			if ((r->index[set][i] & UNIT_MASK) - start < RECALL_SEGMENT_UNITS)
				r->index[set][i] = 0;
	r->head = start;
}

static uint32_t make_room(struct recall *r, uint32_t units)
{
	/* Never up to the end, so that head stays in its segment. */
	if (r->head % RECALL_SEGMENT_UNITS + units >= RECALL_SEGMENT_UNITS)
		open_segment(r);
	/* Unit 0 means "empty" in the index. */
	if (r->head == 0)
		r->head = 1;
	uint32_t unit = r->head;
	r->head += units;
	return unit;
}

static uint32_t *choose_way(struct recall *r, uint64_t key)
{
	uint32_t *set = r->index[key % RECALL_SETS];
	for (uint32_t i = 0; i < RECALL_WAYS; i++)
		if (set[i] == 0)
			return &set[i];
	return &set[r->victim++ % RECALL_WAYS];
}

/* The trail's checks, leaf first. returns: false when one is too far away or its value too large, as no address is */
static bool pack(const struct recall *r, uint64_t sp, uint64_t *packed)
{
	for (uint32_t i = r->n_checks; i-- > 0;) {
		uint64_t distance = (r->checks[i].slot - sp) / 8;
		if (distance >> SLOT_BITS || (r->checks[i].slot - sp) & 7 || r->checks[i].value >> (64 - SLOT_BITS))
			return false;
		*packed++ = r->checks[i].value << SLOT_BITS | distance;
	}
	return true;
}

void recall_remember(struct recall *r, uint32_t node, uint64_t high)
{
	const struct unwind_known *leaf = &r->frames[r->n - 1];
	uint32_t *recent = &r->recent[node % RECALL_RECENT];
	uint64_t pc = leaf->word & TIDEMARK_ADDRESS_MASK;
	if (*recent != node) {
		*recent = node;
		return;
	}
	uint32_t unit = make_room(r, HEAD_UNITS + r->n_checks);
	struct recall_entry *e = entry_at(r, unit);
	if (!pack(r, leaf->sp, (uint64_t *)(e + 1)))
		return;
	*e = (struct recall_entry){pc, leaf->sp, leaf->bp, node, (uint16_t)r->n_checks, (uint16_t)leaf->bp_live};
	uint64_t key = find_key(r, pc, leaf->sp, high);
	*choose_way(r, key) = tag_of(key) | unit;
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
