/* The bootstrap arena. Enters: sizes. Leaves: blocks that free, realloc and malloc_usable_size recognise by address. */
#include "arena.h"

#include <string.h>

#define HEADER_BYTES 16

_Alignas(4096) char arena_memory[ARENA_BYTES];
static size_t used_bytes;

void *arena_alloc(size_t size_bytes, size_t alignment)
{
	if (alignment < HEADER_BYTES)
		alignment = HEADER_BYTES;
	if (alignment > ARENA_BYTES || size_bytes > ARENA_BYTES)
		return NULL;
	size_t at = (used_bytes + HEADER_BYTES + alignment - 1) & ~(alignment - 1);
	if (at + size_bytes + 1 > ARENA_BYTES) /* 1: a block of no bytes has an address of its own, inside the arena */
		return NULL;
	memcpy(arena_memory + at - sizeof(size_bytes), &size_bytes, sizeof(size_bytes));
	used_bytes = at + size_bytes + 1;
	return arena_memory + at;
}

size_t arena_size(const void *block)
{
	size_t size_bytes;
	memcpy(&size_bytes, (const char *)block - sizeof(size_bytes), sizeof(size_bytes));
	return size_bytes;
}
