/* The table of live blocks: see live.h. */
#include "core/live.h"

#include <stdlib.h>

#include "base/array.h"

void live_release(struct live *live)
{
	uint64_t n_chunks = (live->next + LIVE_CHUNK - 1) >> LIVE_CHUNK_BITS;
	for (uint64_t i = 0; i < n_chunks; i++) {
		free(live->chunks[i].entries);
		free(live->chunks[i].packed);
	}
	free(live->chunks);
	free(live->spare);
	free(live->big);
	*live = (struct live){0};
}

int live_open_chunk(struct live *live)
{
	size_t index = live->next >> LIVE_CHUNK_BITS;
	if (ARRAY_RESERVE(live->chunks, live->chunks_capacity, index + 1) < 0)
		return -1;
	/* While the last one was filled, it could not be packed. */
	if (index > 0 && live->chunks[index - 1].entries && live->chunks[index - 1].n_left <= LIVE_PACK_AT)
		live_pack(live, index - 1);
	uint64_t *entries = live->spare ? live->spare : malloc(LIVE_CHUNK * sizeof(*entries));
	if (!entries)
		return -1;
	live->spare = NULL;
	live->chunks[index] = (struct live_chunk){.entries = entries, .n_left = LIVE_CHUNK};
	return 0;
}

static uint16_t *slots_of(struct live_packed *packed)
{
	return (uint16_t *)(packed->entries + packed->n_slots);
}

static struct live_packed *new_packed(uint32_t n_slots)
{
	struct live_packed *packed = malloc(sizeof(*packed) + n_slots * (sizeof(uint64_t) + sizeof(uint16_t)));
	if (packed)
		packed->n_slots = n_slots;
	return packed;
}

static void pack_entries(const struct live_chunk *chunk, struct live_packed *to)
{
	uint32_t n = 0;
	for (uint32_t slot = 0; slot < LIVE_CHUNK; slot++)
		if (chunk->entries[slot] != LIVE_DEAD) {
			slots_of(to)[n] = (uint16_t)slot;
			to->entries[n++] = chunk->entries[slot];
		}
}

static void pack_again(struct live_packed *from, struct live_packed *to)
{
	uint32_t n = 0;
	for (uint64_t i = 0; i < from->n_slots; i++)
		if (from->entries[i] != LIVE_DEAD) {
			slots_of(to)[n] = slots_of(from)[i];
			to->entries[n++] = from->entries[i];
		}
}

void live_pack(struct live *live, size_t index)
{
	struct live_chunk *chunk = &live->chunks[index];
	if (live->next < (uint64_t)(index + 1) << LIVE_CHUNK_BITS)
		return;
	struct live_packed *packed = NULL;
	if (chunk->n_left > 0) {
		packed = new_packed(chunk->n_left);
		if (!packed)
			return;
		if (chunk->entries)
			pack_entries(chunk, packed);
		else
			pack_again(chunk->packed, packed);
	}
	if (chunk->entries) {
		free(live->spare);
		live->spare = chunk->entries;
		chunk->entries = NULL;
	}
	free(chunk->packed);
	chunk->packed = packed;
}

/* returns: the entry of a slot in a packed chunk, NULL when it has none */
static uint64_t *find_packed(struct live_packed *packed, uint16_t slot)
{
	const uint16_t *slots = slots_of(packed);
	size_t at = ARRAY_LEADING(packed->n_slots, i, slots[i] < slot);
	return at < packed->n_slots && slots[at] == slot ? &packed->entries[at] : NULL;
}

bool live_take_packed(struct live *live, uint64_t number, struct live_block *block)
{
	struct live_chunk *chunk = &live->chunks[number >> LIVE_CHUNK_BITS];
	uint64_t *entry = chunk->packed ? find_packed(chunk->packed, number & (LIVE_CHUNK - 1)) : NULL;
	if (!entry || *entry == LIVE_DEAD)
		return false;
	if (*entry & LIVE_BIG)
		*block = live_take_big(live, *entry);
	else
		*block = (struct live_block){.size_bytes = (uint32_t)*entry, .node = (uint32_t)(*entry >> 32)};
	*entry = LIVE_DEAD;
	if (--chunk->n_left <= chunk->packed->n_slots / 2)
		live_pack(live, number >> LIVE_CHUNK_BITS);
	return true;
}

int live_add_big(struct live *live, uint32_t node, uint64_t size_bytes, uint64_t *entry)
{
	uint32_t index = live->free_big;
	if (index) {
		live->free_big = live->big[--index].next_free;
	} else {
		if (ARRAY_RESERVE(live->big, live->big_capacity, live->n_big + 1u) < 0)
			return -1;
		index = live->n_big++;
	}
	live->big[index] = (struct live_big){.size_bytes = size_bytes, .node = node};
	*entry = LIVE_BIG | index;
	return 0;
}

struct live_block live_take_big(struct live *live, uint64_t entry)
{
	uint32_t index = (uint32_t)entry;
	struct live_big *big = &live->big[index];
	big->next_free = live->free_big;
	live->free_big = index + 1;
	return (struct live_block){.size_bytes = big->size_bytes, .node = big->node};
}

static bool decode(const struct live *live, uint64_t entry, struct live_block *block)
{
	if (entry == LIVE_DEAD)
		return false;
	if (entry & LIVE_BIG)
		*block = (struct live_block){live->big[(uint32_t)entry].size_bytes, live->big[(uint32_t)entry].node};
	else
		*block = (struct live_block){(uint32_t)entry, (uint32_t)(entry >> 32)};
	return true;
}

typedef void visit_fn(void *arg, const struct live_block *block);

static void each_packed(
    const struct live *live, struct live_packed *packed, uint64_t start, uint64_t first, visit_fn *visit, void *arg)
{
	struct live_block block;
	for (uint64_t i = 0; i < packed->n_slots; i++)
		if (start + slots_of(packed)[i] >= first && decode(live, packed->entries[i], &block))
			visit(arg, &block);
}

void live_each(const struct live *live, uint64_t first, visit_fn *visit, void *arg)
{
	struct live_block block;
	for (uint64_t number = first; number < live->next; number++) {
		const struct live_chunk *chunk = &live->chunks[number >> LIVE_CHUNK_BITS];
		if (!chunk->entries) {
			if (chunk->packed)
				each_packed(
				    live, chunk->packed, number & ~(uint64_t)(LIVE_CHUNK - 1), first, visit, arg);
			number |= LIVE_CHUNK - 1;
		} else if (decode(live, chunk->entries[number & (LIVE_CHUNK - 1)], &block)) {
			visit(arg, &block);
		}
	}
}
