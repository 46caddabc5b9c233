/* The live blocks of a replay: a table by allocation number, in chunks that are packed when most of their blocks have
 * ended and freed with the last, so that memory follows the live set and not the trace's length. Inline where replay.c
 * is hot. threads: one. */
#ifndef LIVE_H
#define LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_CHUNK_BITS 12
#define LIVE_CHUNK (1u << LIVE_CHUNK_BITS)
#define LIVE_PACK_AT 256
#define LIVE_DEAD UINT64_MAX

/* An entry is node << 32 | size in bytes; with the top bit set its low bits index `big` instead. Node ids are below
 * TIDEMARK_MAX_IDS, so the top bit is free. */
#define LIVE_BIG (1ull << 63)

struct live_big {
	uint64_t size_bytes;
	uint32_t node;
	uint32_t next_free; /* index + 1 */
};

/* When most of a chunk has ended, the rest is kept sorted and packed: one block in 4096 that stays alive must not cost
 * 32 KB. */
struct live_packed {
	uint64_t n_slots;   /* dead ones too, until it is packed again */
	uint64_t entries[]; /* n_slots of them, then as many uint16_t: their places in the chunk, ascending */
};

struct live_chunk {
	uint64_t *entries;          /* NULL when packed or all dead */
	struct live_packed *packed; /* NULL when not packed */
	uint32_t n_left;            /* of all LIVE_CHUNK blocks, those that have not ended, born or not */
};

struct live {
	struct live_chunk *chunks;
	size_t chunks_capacity;
	uint64_t next; /* the number of the next block */
	uint64_t *spare;
	struct live_big *big;
	size_t big_capacity;
	uint32_t n_big, free_big;
};

struct live_block {
	uint64_t size_bytes;
	uint32_t node;
};

/* All zero bytes are an empty table. */
void live_release(struct live *live);

/* Make the chunk of live->next. returns: 0, -1 when memory is short; slow path of live_add */
int live_open_chunk(struct live *live);
int live_add_big(struct live *live, uint32_t node, uint64_t size_bytes, uint64_t *entry);
struct live_block live_take_big(struct live *live, uint64_t entry);
/* Few blocks are left in chunk `index`: pack it, or free it; without memory it stays as it is. */
void live_pack(struct live *live, size_t index);
bool live_take_packed(struct live *live, uint64_t number, struct live_block *block);

/* The block live->next is born. returns: 0, -1 when memory is short */
static inline int live_add(struct live *live, uint32_t node, uint64_t size_bytes)
{
	uint32_t slot = (uint32_t)live->next & (LIVE_CHUNK - 1);
	if (__builtin_expect(slot == 0, 0) && live_open_chunk(live) < 0)
		return -1;
	uint64_t entry = (uint64_t)node << 32 | size_bytes;
	if (__builtin_expect(size_bytes > UINT32_MAX, 0) && live_add_big(live, node, size_bytes, &entry) < 0)
		return -1;
	live->chunks[live->next >> LIVE_CHUNK_BITS].entries[slot] = entry;
	live->next++;
	return 0;
}

/* End block `number`, any number. returns: false when it is not alive */
static inline bool live_take(struct live *live, uint64_t number, struct live_block *block)
{
	if (__builtin_expect(number >= live->next, 0))
		return false;
	struct live_chunk *chunk = &live->chunks[number >> LIVE_CHUNK_BITS];
	if (__builtin_expect(!chunk->entries, 0))
		return live_take_packed(live, number, block);
	uint64_t *slot = &chunk->entries[number & (LIVE_CHUNK - 1)];
	uint64_t entry = *slot;
	if (__builtin_expect((entry & LIVE_BIG) != 0, 0)) {
		if (entry == LIVE_DEAD)
			return false;
		*block = live_take_big(live, entry);
	} else {
		*block = (struct live_block){.size_bytes = (uint32_t)entry, .node = (uint32_t)(entry >> 32)};
	}
	*slot = LIVE_DEAD;
	if (__builtin_expect(--chunk->n_left <= LIVE_PACK_AT, 0))
		live_pack(live, number >> LIVE_CHUNK_BITS);
	return true;
}

/* Where the entry of block `number` stands, or anywhere else when it has none; any number. For looking ahead only, and
 * free of branches: whether a block that will be freed soon is born already is as good as random. */
static inline const uint64_t *live_near(const struct live *live, uint64_t number)
{
	static const uint64_t nothing;
	uint64_t born = -(uint64_t)(number < live->next);
	uintptr_t entries = (uintptr_t)live->chunks[(number & born) >> LIVE_CHUNK_BITS].entries;
	uintptr_t there = -(uintptr_t)(entries != 0);
	uintptr_t slot = (number & (LIVE_CHUNK - 1)) * sizeof(uint64_t);
	return (const uint64_t *)(entries + (slot & there) + ((uintptr_t)&nothing & ~there));
}

/* Call visit for each live block from number `first` on, in order. */
void live_each(
    const struct live *live, uint64_t first, void (*visit)(void *arg, const struct live_block *block), void *arg);

#endif
