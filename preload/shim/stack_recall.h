/* What a thread remembers of its walks, so that the next ones are shorter. Two shortcuts, one argument:
 *
 * A step of a walk is a pure function of (pc, sp, and rbp where it is live), the rule for pc and the stack slots that
 * the rule reads. So when a walk is in the same state as a remembered one was, and every slot that the remembered one
 * read from there on still holds its value, the rest of the walk is the same by induction, and so is the rest of the
 * stack.
 *  - The trail is the last walk: its frames, and the slots that were read, root first. The slots are compared first,
 * from the root to the first one that differs or lies below the stack pointer; then the walk goes from the leaf until
 * it meets a frame of the verified part. In this order, because the walk must know whether rbp is live where they meet.
 *  - The memo keeps whole walks, in two parts. A shape is which slots a walk from this pc and sp read; a few shapes
 * serve many stacks. What the slots hold now, hashed together, finds the node of the walk that read just this. Two
 * walks are taken for one with a chance of 1 in 2^64; of 1 in 2^60 where all that differs are multiples of 16.
 * Both hold only walks made of packed rules on the thread's own stack (unwind_walk.pure) and are forgotten when rules
 * may have changed (modules_generation). Slots are touched only between the stack pointer and the top of that stack.
 *
 * Owner thread and level only; an update that a siglongjmp left half done is noticed by stack.c, which then forgets
 * all. */
#ifndef STACK_RECALL_H
#define STACK_RECALL_H

#include <stdbool.h>
#include <stdint.h>

#include "sys.h"
#include "unwind_walk.h"

#define RECALL_FRAMES 256u
#define RECALL_CHECKS 512u
#define RECALL_SEGMENTS 4u
#define RECALL_SEGMENT_UNITS 2040u /* of 8 bytes; all segments 64 KiB: about 600 shapes of 40 slots */
#define RECALL_ARENA_UNITS (RECALL_SEGMENTS * RECALL_SEGMENT_UNITS)
#define RECALL_SETS 256u
#define RECALL_WAYS 4u
#define RECALL_LINES 512u /* clang's stacks: 92 of 100 are among the last 2,500 that were different */
#define RECALL_LINE_NODES 5u

/* A stack slot that a walk read, and what it found. */
struct recall_check {
	uint64_t slot;
	uint64_t value;
};

/* Of the hashes over slots and what they hold: sums of products with recall_keys, so that they go on with more slots. */
struct recall_sums {
	uint64_t slots;
	uint64_t values;
};

/* Which slots a walk read. */
struct recall_shape {
	uint64_t pc;
	uint64_t sp;
	uint64_t seed;  /* of the hash over the slots: stands for all the rest of this */
	uint32_t below; /* the slots are counted from so many words below sp */
	uint16_t n_slots;
	uint16_t bp_live;
	uint16_t slots[]; /* outermost first */
};

/* Nodes by the hash over the slots; one cache line. */
struct recall_line {
	_Alignas(64) uint64_t key[RECALL_LINE_NODES];
	uint32_t node[RECALL_LINE_NODES]; /* 0: empty */
	uint32_t turn;
};

struct recall {
	/* The trail. */
	uint32_t n; /* frames */
	uint32_t n_checks;
	bool broken;
	struct unwind_known frames[RECALL_FRAMES];
	struct recall_check checks[RECALL_CHECKS];
	struct recall_sums sums[RECALL_FRAMES]; /* up to each frame */
	struct recall_sums sum;                 /* up to the last check */
	/* For shapes of the trail. */
	uint64_t floor;                /* of the slots in shapes; 512 KiB below the root */
	uint16_t slots[RECALL_CHECKS]; /* in words above floor */
	uint32_t first_far;            /* the first check whose slot is not within reach of floor */
	/* The memo. The index finds a shape by pc and sp. */
	uint16_t index[RECALL_SETS][RECALL_WAYS]; /* units of the arena; 0: empty; what served last comes first */
	uint32_t head;                            /* arena unit to write next; 0: nothing was written yet */
	struct recall_line lines[RECALL_LINES];
	/* Shapes. A full segment is followed by the next, whose shapes are dropped. */
	uint64_t arena[RECALL_ARENA_UNITS];
};

/* A recall for this state, from a pool of limited size; NULL when there is none left. It belongs to the state until
 * recall_reclaim is called for the same memory: when another thread begins to use it. */
struct recall *recall_take(const void *state);
void recall_reclaim(const void *state);

/* Forget everything. */
void recall_reset(struct recall *r);

/* Odd, no structure. Digits of the golden ratio, and wyhash's first constant. */
#define RECALL_STEP 0x9e3779b97f4a7c15ull
#define RECALL_KEY 0xa0761d6478bd642full

extern HIDDEN uint64_t recall_keys[RECALL_CHECKS]; /* odd, no structure; written by recall_init */

/* In the constructor. */
void recall_init(void);

/* Every bit of the result depends on every bit of both. */
static inline uint64_t recall_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What the slots of a shape and rbp hold, as one number. sum: over the slots */
static inline uint64_t recall_key(const struct recall_shape *shape, uint64_t sum, uint64_t bp)
{
	sum += shape->bp_live ? bp * RECALL_STEP : 0;
	return recall_fold(sum ^ shape->seed, RECALL_KEY);
}

static inline uint64_t recall_hash(const struct recall_shape *shape, uint64_t bp)
{
	const uint64_t *memory = (const uint64_t *)(uintptr_t)(shape->sp - 8ull * shape->below);
	uint64_t sum = 0;
	__asm__ volatile("" : : : "memory"); /* what lies there is not of this program, as compilers see it */
#pragma GCC unroll 4
	for (uint32_t i = 0; i < shape->n_slots; i++)
		sum += memory[shape->slots[i]] * recall_keys[i];
	return recall_key(shape, sum, bp);
}

static inline uint64_t recall_line_of(uint64_t key)
{
	return key % RECALL_LINES;
}

/* The node for a hash, or 0. */
static inline uint32_t recall_node(const struct recall *r, uint64_t key)
{
	const struct recall_line *line = &r->lines[recall_line_of(key)];
	for (uint32_t i = 0; i < RECALL_LINE_NODES; i++)
		if (line->key[i] == key)
			return line->node[i];
	return 0;
}

static inline uint64_t recall_set_of(uint64_t pc, uint64_t sp)
{
	return (pc ^ sp << 7) * RECALL_STEP >> 32 & (RECALL_SETS - 1);
}

/* The rest of recall_find, for walks that the shape which served last does not fit. */
uint32_t recall_find_other(struct recall *r, uint64_t pc, uint64_t sp, uint64_t bp);

/* Look a walk up. returns: its node, or 0. cost: 5 ns at a depth of five, 0.7 ns for each further frame */
static inline uint32_t recall_find(struct recall *r, uint64_t pc, uint64_t sp, uint64_t bp)
{
	const struct recall_shape *shape = (const struct recall_shape *)&r->arena[r->index[recall_set_of(pc, sp)][0]];
	if (likely(shape->pc == pc && shape->sp == sp)) {
		uint32_t node = recall_node(r, recall_hash(shape, bp));
		if (likely(node))
			return node;
	}
	return recall_find_other(r, pc, sp, bp);
}

/* Compare the trail with memory, for a walk that starts at sp. returns: its innermost frame that can be joined, or -1
 */
int32_t recall_verify(const struct recall *r, uint64_t sp);

/* Make a pure walk the trail, as many of its outer frames as there is room for. seed: hash of the empty stack.
 * returns: true when all of it is there; then the leaf is frames[n-1] */
bool recall_add(struct recall *r, const struct unwind_walk *w, uint64_t seed);

/* The node of the trail's leaf is known: remember the whole walk. */
void recall_remember(struct recall *r);

#endif
