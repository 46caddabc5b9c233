/* See intern.h. The hash tables: levels of growing size, each in 64-byte lines of 8 entries. An entry is written once,
 * by compare-and-swap, so that two threads that add one stack agree on its node. Two lines of a level may hold an
 * entry; only when both are full it goes to the next level. So a look-up ends at the first empty place, the levels fill
 * up well before the next one is touched at all, and memory is touched in proportion to the nodes. */
#include "intern.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "modules.h"
#include "shm.h"

#define ID_BITS 26 /* 64 M nodes */
#define ID_MASK ((1u << ID_BITS) - 1)
#define LINE 8u
/* The first level has 1 K entries, two pages: a short program would touch a page of a larger one for each of its nodes.
 * The second has 16 K, if that is no more than FIRST_SHARE. */
#define FIRST_BITS 10
#define SECOND_BITS 14
#define THIRD_BITS 17
#define FIRST_SHARE 32u
#define LEAST_BITS 9
#define GROW_BITS 2
#define LAST_BITS 24
#define MAX_CHILDREN 8u /* in the list of a node */
#define SIZE_MASK 63ull /* a level's offset is a multiple of 64; the bits below hold its size */

typedef _Atomic uint64_t entry;

/* An entry keeps 38 bits of this; its place in the table adds another 10 or so. */
static uint64_t scatter(uint64_t hash)
{
	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9ull;
	return hash ^ hash >> 32;
}

struct level {
	entry *entries; /* NULL: not there, or cannot be opened in this process */
	uint64_t lines;
};

static struct level open_level(uint32_t i)
{
	uint64_t value = atomic_load_explicit(&shm->level_offset[i], memory_order_acquire);
	uint64_t offset = value & ~SIZE_MASK;
	uint64_t bytes = 8ull << (value & SIZE_MASK);
	if (value == 0 || !shm_ensure(&shm->tables, offset + bytes))
		return (struct level){NULL, 0};
	return (struct level){shm_at(&shm->tables, offset), bytes / sizeof(entry) / LINE};
}

static uint32_t count_levels(void)
{
	uint32_t n = atomic_load_explicit(&shm->n_levels, memory_order_acquire);
	return n < TIDEMARK_TABLE_LEVELS ? n : TIDEMARK_TABLE_LEVELS;
}

#define FULL UINT32_MAX
/* Every entry is offered to the lowest level first. So when there are this many for each of a level's places, no line of
 * it has an empty one: 64 in a thousand billion pairs of lines were offered fewer than 16. */
#define FULL_SHARE 4u

/* Looks through the two lines in the order of insertion. returns: the id; 0 when it is not in this level */
static inline uint32_t find_in(struct level level, uint64_t scattered)
{
	uint64_t line = scattered & (level.lines - 1);
	for (uint32_t way = 0; way < 2; way++, line ^= 1)
		for (uint32_t i = 0; i < LINE; i++) {
			uint64_t value = atomic_load_explicit(&level.entries[line * LINE + i], memory_order_acquire);
			if (value == 0)
				return 0;
			if ((value ^ scattered) >> ID_BITS == 0)
				return (uint32_t)value & ID_MASK;
		}
	return 0;
}

/* returns: the id that stands for the hash now (id, or that of whoever was first); FULL when both lines are */
static uint32_t insert_into(struct level level, uint64_t scattered, uint32_t id)
{
	uint64_t line = scattered & (level.lines - 1);
	uint64_t mine = (scattered & ~(uint64_t)ID_MASK) | id;
	for (uint32_t way = 0; way < 2; way++, line ^= 1)
		for (uint32_t i = 0; i < LINE; i++) {
			entry *e = &level.entries[line * LINE + i];
			uint64_t value = atomic_load_explicit(e, memory_order_acquire);
			if (value == 0 && atomic_compare_exchange_strong_explicit(
			                      e, &value, mine, memory_order_release, memory_order_acquire)) {
				atomic_fetch_add_explicit(&shm->n_entries, 1, memory_order_relaxed);
				return id;
			}
			if ((value ^ scattered) >> ID_BITS == 0)
				return (uint32_t)value & ID_MASK;
		}
	return FULL;
}

/* Room for level n, larger than the one before if there is so much. returns: its level_offset, 0 when full */
static uint64_t claim_level(uint32_t n)
{
	uint64_t bits = n == 0 ? FIRST_BITS : n == 1 ? SECOND_BITS : THIRD_BITS + (uint64_t)GROW_BITS * (n - 2);
	uint64_t used = atomic_load_explicit(&shm->tables_used_bytes, memory_order_relaxed);
	uint64_t free_bytes = used < shm->tables.size_bytes ? shm->tables.size_bytes - used : 0;
	if (bits > LAST_BITS)
		bits = LAST_BITS;
	while (8ull << bits > (n > 2 ? free_bytes : free_bytes / FIRST_SHARE))
		if (--bits < LEAST_BITS)
			return 0;
	uint64_t offset = atomic_fetch_add_explicit(&shm->tables_used_bytes, 8ull << bits, memory_order_relaxed);
	if (offset + (8ull << bits) > shm->tables.size_bytes)
		return 0;
	return offset | bits;
}

/* Make level n_levels. Several threads may try: one wins, the others' room stays untouched. */
static bool add_level(uint32_t n)
{
	uint64_t none = 0;
	if (n >= TIDEMARK_TABLE_LEVELS)
		return false;
	if (atomic_load_explicit(&shm->level_offset[n], memory_order_acquire) == 0) {
		uint64_t claimed = claim_level(n);
		if (claimed == 0)
			return false;
		atomic_compare_exchange_strong(&shm->level_offset[n], &none, claimed);
	}
	atomic_compare_exchange_strong(&shm->n_levels, &n, n + 1);
	return true;
}

uint32_t intern_find(uint64_t hash)
{
	uint64_t scattered = scatter(hash);
	/* Most entries are in the last two levels. */
	for (uint32_t i = count_levels(); i-- > 0;) {
		struct level level = open_level(i);
		uint32_t id = level.entries ? find_in(level, scattered) : 0;
		if (id)
			return id;
	}
	return 0;
}

/* returns: the id that stands for the hash now, 0 without room */
static uint32_t insert(uint64_t hash, uint32_t id)
{
	uint64_t scattered = scatter(hash);
	uint64_t n_entries = atomic_load_explicit(&shm->n_entries, memory_order_relaxed);
	for (uint32_t i = 0;; i++) {
		if (i >= count_levels() && !add_level(i))
			return 0;
		struct level level = open_level(i);
		if (level.entries && n_entries > FULL_SHARE * LINE * level.lines)
			continue;
		uint32_t won = level.entries ? insert_into(level, scattered, id) : 0;
		if (won != FULL)
			return won;
	}
}

static uint16_t module_of(uint64_t pc, uint32_t flags)
{
	if (pc == 0)
		return TIDEMARK_NO_MODULE;
	const struct module *m = modules_known(flags & TIDEMARK_NODE_EXACT ? pc : pc - 1);
	return m ? (uint16_t)m->index : TIDEMARK_NO_MODULE;
}

/* NULL when it cannot be opened in this process, which may be another than the one that made it. */
static inline struct tidemark_node *node_at(uint32_t id)
{
	if (!shm_ensure(&shm->nodes, (uint64_t)(id + 1) * sizeof(struct tidemark_node)))
		return NULL;
	return (struct tidemark_node *)shm_at(&shm->nodes, 0) + id;
}

/* Nodes for n words, each below the one before, side by side. returns: the first one's id; 0 when there is no room */
static uint32_t make_nodes(const uint64_t *words, uint32_t n, uint32_t parent)
{
	uint64_t capacity = shm->nodes.size_bytes / sizeof(struct tidemark_node);
	if (capacity > ID_MASK)
		capacity = ID_MASK;
	if (atomic_load_explicit(&shm->n_nodes, memory_order_relaxed) + (uint64_t)n > capacity)
		return 0;
	uint32_t id = atomic_fetch_add_explicit(&shm->n_nodes, n, memory_order_relaxed);
	if (id + (uint64_t)n > capacity || !node_at(id + n - 1))
		return 0;
	struct tidemark_node *node = node_at(id);
	for (uint32_t i = 0; i < n; i++, node++) {
		uint32_t flags = (uint32_t)(words[i] >> INTERN_FLAGS_SHIFT);
		node->pc = words[i] & TIDEMARK_ADDRESS_MASK;
		node->parent = i ? id + i - 1 : parent;
		node->flags = (uint16_t)flags;
		node->module = module_of(node->pc, flags);
		node->sibling = 0;
		atomic_store_explicit(&node->child, i + 1 < n ? id + i + 1 : 0, memory_order_relaxed);
	}
	return id;
}

/* A child of a node that is in its list; 0 when there is none. first: set to the list's first, n: to its length */
static uint32_t find_child(struct tidemark_node *parent, uint64_t word, uint32_t *first, uint32_t *n)
{
	uint64_t pc = word & TIDEMARK_ADDRESS_MASK, flags = word >> INTERN_FLAGS_SHIFT;
	uint32_t id = *first = atomic_load_explicit(&parent->child, memory_order_acquire);
	for (*n = 0; id; ++*n) {
		const struct tidemark_node *child = node_at(id);
		if (!child) {
			*n = MAX_CHILDREN;
			break;
		}
		if (child->pc == pc && child->flags == flags)
			return id;
		id = child->sibling;
	}
	return 0;
}

/* For frames that are not in a list. As intern_next. */
static uint32_t next_by_hash(uint32_t parent, uint64_t hash, const uint64_t *words, uint32_t *n, bool *is_new)
{
	uint32_t made, id = intern_find(hash);
	if (!id && (made = make_nodes(words, *n, parent)) != 0 && (id = insert(hash, made)) == made) {
		*is_new = true;
		return id;
	}
	*n = 1;
	return id;
}

/* A list changes by compare-and-swap of its first, and only while it is short: so whoever finds it long has seen all of
 * it. Nodes that are made here while another thread makes the same stay unused. */
uint32_t intern_next(uint32_t parent, uint64_t hash, const uint64_t *words, uint32_t *n, bool *is_new)
{
	struct tidemark_node *above = node_at(parent);
	uint32_t made = 0, first, n_children;
	if (parent == 0 || !above)
		return above ? next_by_hash(parent, hash, words, n, is_new) : 0;
	for (;;) {
		uint32_t id = find_child(above, words[0], &first, &n_children);
		if (id) {
			*n = 1;
			return id;
		}
		if (n_children >= MAX_CHILDREN)
			return next_by_hash(parent, hash, words, n, is_new);
		if (!made && (made = make_nodes(words, *n, parent)) == 0)
			return 0;
		node_at(made)->sibling = first;
		if (atomic_compare_exchange_strong_explicit(
		        &above->child, &first, made, memory_order_release, memory_order_relaxed)) {
			*is_new = true;
			return made;
		}
	}
}

uint32_t intern_add(const uint64_t *words, uint32_t n, uint64_t seed, bool *is_new)
{
	uint64_t hash = seed;
	uint32_t id = 0;
	for (uint32_t i = 0; i < n;) {
		uint32_t n_done = n - i;
		hash = intern_extend(hash, words[i]);
		if ((id = intern_next(id, hash, words + i, &n_done, is_new)) == 0)
			return 0;
		id += n_done - 1;
		i += n_done;
		for (uint32_t k = i - n_done + 1; k < i; k++)
			hash = intern_extend(hash, words[k]);
	}
	insert(hash, id);
	return id;
}

int intern_init(void)
{
	uint32_t none = 0;
	uint64_t nothing = 0;
	atomic_compare_exchange_strong(&shm->n_nodes, &none, 1);
	/* Offset 0 means that a level is not there. */
	atomic_compare_exchange_strong(&shm->tables_used_bytes, &nothing, 4096);
	if (!shm_ensure(&shm->nodes, sizeof(struct tidemark_node)))
		return -1;
	return count_levels() > 0 || add_level(0) ? 0 : -1;
}
