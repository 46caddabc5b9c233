/* Blocks for calls that come while the real allocator is still being looked for (dlsym itself may allocate). One static
 * arena, never reused; its blocks are not events. One thread: everything here ends before the program's threads begin,
 * but for arena_has and arena_size. */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys.h"

#define ARENA_BYTES (64 * 1024)

extern HIDDEN char arena_memory[ARENA_BYTES];

/* returns: zeroed memory, aligned to `alignment` (a power of two) and at least 16; NULL when the arena is used up */
void *arena_alloc(size_t size_bytes, size_t alignment);

/* What was asked for. block: arena_has */
size_t arena_size(const void *block);

INLINE bool arena_has(const void *block)
{
	return unlikely((uintptr_t)block - (uintptr_t)arena_memory < ARENA_BYTES);
}

#endif
