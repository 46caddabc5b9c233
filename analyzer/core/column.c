/* Columns of a block: see column.h. Sizes are checked against the directory before anything is unpacked. */
#include "core/column.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define SLACK_BYTES 8 /* bitmaps are read in 64-bit words */

int columns_init(struct columns *columns, struct err *err)
{
	memset(columns, 0, sizeof(*columns));
	columns->unpacker = ZSTD_createDCtx();
	return columns->unpacker ? 0 : err_memory(err);
}

void columns_release(struct columns *columns)
{
	for (unsigned id = 0; id < COLUMN_IDS; id++)
		free(columns->by_id[id].buffer);
	ZSTD_freeDCtx(columns->unpacker);
	memset(columns, 0, sizeof(*columns));
}

static int take_entry(
    struct columns *columns, const struct tidemark_column *entry, const uint8_t *stored, struct err *err)
{
	if (entry->id >= COLUMN_IDS)
		return 0;
	struct column *column = &columns->by_id[entry->id];
	if (column->stored)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "column %u comes twice", entry->id);
	if (entry->raw_bytes > TIDEMARK_MAX_COLUMN_BYTES)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "column %u is too large", entry->id);
	column->stored = stored;
	column->stored_bytes = entry->stored_bytes;
	column->raw_bytes = entry->raw_bytes;
	column->encoding = entry->encoding;
	column->mode = entry->mode;
	return 0;
}

int columns_parse(
    struct columns *columns, const uint8_t *body, uint32_t body_bytes, uint16_t n_columns, struct err *err)
{
	for (unsigned id = 0; id < COLUMN_IDS; id++)
		columns->by_id[id].stored = NULL;
	uint32_t used = n_columns * (uint32_t)sizeof(struct tidemark_column);
	if (used > body_bytes)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "the column directory is longer than the block");
	for (unsigned i = 0; i < n_columns; i++) {
		struct tidemark_column entry;
		memcpy(&entry, body + i * sizeof(entry), sizeof(entry));
		if (entry.stored_bytes > body_bytes - used)
			return err_set(err, TIDEMARK_ERR_CORRUPT, "column %u is longer than the block", entry.id);
		int result = take_entry(columns, &entry, body + used, err);
		if (result < 0)
			return result;
		used += entry.stored_bytes;
	}
	if (used != body_bytes)
		return err_set(
		    err, TIDEMARK_ERR_CORRUPT, "%u bytes of the block belong to no column", body_bytes - used);
	return 0;
}

static int unpack(struct columns *columns, struct column *column, unsigned id, struct err *err)
{
	size_t bytes;
	switch (column->encoding) {
	case TIDEMARK_ENCODING_RAW:
		bytes = column->raw_bytes;
		memcpy(column->buffer, column->stored, bytes);
		break;
	case TIDEMARK_ENCODING_ZSTD:
		bytes = ZSTD_decompressDCtx(
		    columns->unpacker, column->buffer, column->raw_bytes, column->stored, column->stored_bytes);
		break;
	default:
		return err_set(err, TIDEMARK_ERR_CORRUPT, "column %u has an unknown encoding", id);
	}
	if (ZSTD_isError(bytes) || bytes != column->raw_bytes)
		return err_set(err, TIDEMARK_ERR_CORRUPT, "column %u does not unpack to its size", id);
	memset(column->buffer + bytes, 0, SLACK_BYTES);
	return 0;
}

/* Frames mostly say how much they hold: then a lie costs no memory. */
static bool size_is_honest(const struct column *column)
{
	if (column->encoding == TIDEMARK_ENCODING_RAW)
		return column->stored_bytes == column->raw_bytes;
	if (column->encoding != TIDEMARK_ENCODING_ZSTD)
		return true; /* unpack() tells */
	unsigned long long said = ZSTD_getFrameContentSize(column->stored, column->stored_bytes);
	return said == column->raw_bytes || said == ZSTD_CONTENTSIZE_UNKNOWN;
}

int columns_get(struct columns *columns, unsigned id, const uint8_t **data, uint32_t *bytes, struct err *err)
{
	struct column *column = &columns->by_id[id];
	*data = NULL;
	*bytes = 0;
	if (!column->stored)
		return 0;
	if (!size_is_honest(column))
		return err_set(err, TIDEMARK_ERR_CORRUPT, "column %u does not unpack to its size", id);
	size_t need = (size_t)column->raw_bytes + SLACK_BYTES;
	if (column->capacity < need) {
		/* No realloc: the old contents are of no use. */
		free(column->buffer);
		column->capacity = 0;
		column->buffer = malloc(need);
		if (!column->buffer)
			return err_memory(err);
		column->capacity = need;
	}
	int result = unpack(columns, column, id, err);
	if (result < 0)
		return result;
	*data = column->buffer;
	*bytes = column->raw_bytes;
	return 0;
}

int columns_walk(struct columns *columns, unsigned id, struct cursor *cursor, struct err *err)
{
	static const uint8_t nothing[1];
	const uint8_t *data;
	uint32_t bytes;
	int result = columns_get(columns, id, &data, &bytes, err);
	cursor->at = data ? data : nothing;
	cursor->end = cursor->at + bytes;
	return result;
}
