/* The table of live blocks: see live.h. */
#include "core/live.h"

#include <stdlib.h>

#include "base/array.h"

void live_release(struct live *live)
{
	uint64_t n_chunks = (live->next + LIVE_CHUNK - 1) >> LIVE_CHUNK_BITS;
	for (uint64_t i = 0; i < n_chunks; i++)
		free(live->chunks[i].entries);
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
	uint64_t *entries = live->spare ? live->spare : malloc(LIVE_CHUNK * sizeof(*entries));
	if (!entries)
		return -1;
	live->spare = NULL;
	live->chunks[index] = (struct live_chunk){.entries = entries, .n_left = LIVE_CHUNK};
	return 0;
}

void live_close_chunk(struct live *live, struct live_chunk *chunk)
{
	free(live->spare);
	live->spare = chunk->entries;
	chunk->entries = NULL;
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

void live_each(const struct live *live, uint64_t first, void (*visit)(void *arg, const struct live_block *block),
    void *arg)
{
	for (uint64_t number = first; number < live->next; number++) {
		const uint64_t *entries = live->chunks[number >> LIVE_CHUNK_BITS].entries;
		struct live_block block;
		if (!entries)
			number |= LIVE_CHUNK - 1;
		else if (decode(live, entries[number & (LIVE_CHUNK - 1)], &block))
			visit(arg, &block);
	}
}
