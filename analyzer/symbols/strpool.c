/* Bump allocator and interned strings for the symbol code. Enters: bytes. Leaves: pointers that stay. */
#include "symbols/strpool.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (256u << 10)

struct strpool_chunk {
	struct strpool_chunk *next;
	_Alignas(16) char data[];
};

void strpool_init(struct strpool *pool)
{
	memset(pool, 0, sizeof(*pool));
}

void strpool_release(struct strpool *pool)
{
	while (pool->chunks) {
		struct strpool_chunk *next = pool->chunks->next;

		free(pool->chunks);
		pool->chunks = next;
	}
	free(pool->slots);
	free(pool->hashes);
	strpool_init(pool);
}

void *strpool_alloc(struct strpool *pool, size_t bytes)
{
	struct strpool_chunk *chunk;
	size_t size_bytes;
	void *result;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + 15) & ~(size_t)15;
	if (!pool->chunks || pool->room_bytes - pool->used_bytes < bytes) {
		size_bytes = bytes > CHUNK_BYTES / 4 ? bytes : CHUNK_BYTES;
		chunk = malloc(sizeof(*chunk) + size_bytes);
		if (!chunk)
			return NULL;
		if (size_bytes == bytes && pool->chunks) {
			/* A big one goes behind, so that the open chunk stays open. */
			chunk->next = pool->chunks->next;
			pool->chunks->next = chunk;
			return chunk->data;
		}
		chunk->next = pool->chunks;
		pool->chunks = chunk;
		pool->used_bytes = 0;
		pool->room_bytes = size_bytes;
	}
	result = pool->chunks->data + pool->used_bytes;
	pool->used_bytes += bytes;
	return result;
}

/* Eight bytes a step: file names are long. */
static uint32_t hash_bytes(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325u ^ length;
	size_t i = 0;

	for (; i + 8 <= length; i += 8) {
		uint64_t word;

		memcpy(&word, text + i, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	for (; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
	return (uint32_t)(hash ^ hash >> 32);
}

static int table_grow(struct strpool *pool)
{
	size_t n_slots = pool->n_slots ? pool->n_slots * 2 : 1024;
	const char **slots = calloc(n_slots, sizeof(*slots));
	uint32_t *hashes = malloc(n_slots * sizeof(*hashes));

	if (!slots || !hashes) {
		free(slots);
		free(hashes);
		return -1;
	}
	for (size_t i = 0; i < pool->n_slots; i++) {
		size_t at = pool->hashes[i] & (n_slots - 1);

		if (!pool->slots[i])
			continue;
		while (slots[at])
			at = (at + 1) & (n_slots - 1);
		slots[at] = pool->slots[i];
		hashes[at] = pool->hashes[i];
	}
	free(pool->slots);
	free(pool->hashes);
	pool->slots = slots;
	pool->hashes = hashes;
	pool->n_slots = n_slots;
	return 0;
}

const char *strpool_add_bytes(struct strpool *pool, const char *text, size_t length)
{
	uint32_t hash = hash_bytes(text, length);
	size_t at;
	char *copy;

	if (pool->n_strings * 2 >= pool->n_slots && table_grow(pool))
		return NULL;
	for (at = hash & (pool->n_slots - 1); pool->slots[at]; at = (at + 1) & (pool->n_slots - 1))
		if (pool->hashes[at] == hash && !strncmp(pool->slots[at], text, length) && !pool->slots[at][length])
			return pool->slots[at];
	copy = strpool_alloc(pool, length + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	pool->slots[at] = copy;
	pool->hashes[at] = hash;
	pool->n_strings++;
	return copy;
}

const char *strpool_add(struct strpool *pool, const char *text)
{
	return strpool_add_bytes(pool, text, strlen(text));
}
