/* The columns of one block: the directory, checked, and each column's bytes, unpacked when asked for. Buffers are kept
 * from block to block. Used by reader.c, define.c and block.c. threads: one at a time. */
#ifndef COLUMN_H
#define COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tidemark/trace.h"
#include "tidemark/varint.h"

#define COLUMN_IDS 64 /* known ids lie below */

struct column {
	const uint8_t *stored; /* in the block's body; NULL when absent */
	uint32_t stored_bytes, raw_bytes;
	uint8_t encoding, mode;
	uint8_t *buffer;
	size_t capacity;
};

struct columns {
	struct column by_id[COLUMN_IDS];
	struct ZSTD_DCtx_s *unpacker;
};

int columns_init(struct columns *columns, struct err *err);
void columns_release(struct columns *columns);

/* Take a body's directory of n_columns entries; unknown ids are passed over. body must outlive the use of columns.
 * errors: CORRUPT */
int columns_parse(
    struct columns *columns, const uint8_t *body, uint32_t body_bytes, uint16_t n_columns, struct err *err);

static inline bool columns_have(const struct columns *columns, unsigned id)
{
	return columns->by_id[id].stored != NULL;
}

/* The bytes of column `id`, valid until the next block; *data is NULL and *bytes 0 when it is absent. At least 8 bytes
 * may be read past the end. errors: CORRUPT, MEMORY */
int columns_get(struct columns *columns, unsigned id, const uint8_t **data, uint32_t *bytes, struct err *err);

/* A walk through a column's numbers. */
struct cursor {
	const uint8_t *at, *end;
};

int columns_walk(struct columns *columns, unsigned id, struct cursor *cursor, struct err *err);

static inline bool cursor_number(struct cursor *cursor, uint64_t *value)
{
	return get_varint(&cursor->at, cursor->end, value);
}

/* A number below limit. */
static inline bool cursor_below(struct cursor *cursor, uint64_t limit, uint32_t *value)
{
	uint64_t wide;
	if (!get_varint(&cursor->at, cursor->end, &wide) || wide >= limit)
		return false;
	*value = (uint32_t)wide;
	return true;
}

static inline bool cursor_bytes(struct cursor *cursor, uint64_t count, const uint8_t **bytes)
{
	if (count > (uint64_t)(cursor->end - cursor->at))
		return false;
	*bytes = cursor->at;
	cursor->at += count;
	return true;
}

#endif
