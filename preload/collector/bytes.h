/* A growable array of bytes, and varints appended to it. Without memory it turns bad and stays empty: the owner checks
 * `bad` once, when the bytes are used. One owner at a time. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/varint.h"

struct bytes {
	uint8_t *data;
	size_t n, capacity;
	bool bad;
};

/* Room for `more` further bytes. returns: where they go; NULL without memory */
static inline uint8_t *bytes_room(struct bytes *b, size_t more)
{
	if (b->capacity - b->n < more) {
		size_t capacity = b->capacity ? b->capacity : 256;
		while (capacity - b->n < more)
			capacity *= 2;
		uint8_t *data = realloc(b->data, capacity);
		if (!data) {
			b->bad = true;
			return NULL;
		}
		b->data = data;
		b->capacity = capacity;
	}
	return b->data + b->n;
}

static inline void bytes_add(struct bytes *b, const void *data, size_t n)
{
	uint8_t *at = bytes_room(b, n);
	if (at) {
		memcpy(at, data, n);
		b->n += n;
	}
}

static inline void bytes_add_byte(struct bytes *b, uint8_t byte)
{
	bytes_add(b, &byte, 1);
}

static inline void bytes_add_varint(struct bytes *b, uint64_t value)
{
	uint8_t *at = bytes_room(b, TIDEMARK_VARINT_MAX_BYTES);
	if (at)
		b->n += (size_t)(put_varint(at, value) - at);
}

static inline void bytes_add_zigzag(struct bytes *b, int64_t value)
{
	bytes_add_varint(b, zigzag(value));
}

static inline void bytes_release(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

#endif
