/* Memory that lives as long as the answers of symbols.h: a bump allocator, and strings kept once.
 * threads: the owner's. */
#ifndef STRPOOL_H
#define STRPOOL_H

#include <stddef.h>
#include <stdint.h>

struct strpool_chunk;

struct strpool {
	struct strpool_chunk *chunks;
	size_t used_bytes, room_bytes; /* of the newest chunk */
	const char **slots;            /* open addressing */
	uint32_t *hashes;
	size_t n_slots, n_strings;
};

void strpool_init(struct strpool *pool);
void strpool_release(struct strpool *pool);

/* Memory aligned for any object of up to 16 bytes' alignment; freed by strpool_release().
 * returns: NULL when memory is short */
void *strpool_alloc(struct strpool *pool, size_t bytes);

/* The pool's only copy of text[0..length), which holds no NUL; equal texts give equal pointers.
 * returns: NULL when memory is short */
const char *strpool_add_bytes(struct strpool *pool, const char *text, size_t length);
const char *strpool_add(struct strpool *pool, const char *text);

#endif
