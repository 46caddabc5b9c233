#include "blockout.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "bytes.h"

/* By how a column packs at level 1 (measured on recordings of clang, python3, sqlite3, jq and tests/bench/churn.c):
 * below a sixteenth, level 6 packs it by a fifth to two thirds better, and takes little time because all is repetition;
 * up to a third, level 6 would take three to four times the time of level 3 to save a tenth;
 * above, no level packs it noticeably better. */
#define GOOD_LEVEL 6
#define GOOD_PART 16
#define MIDDLE_LEVEL 3
#define MIDDLE_PART 3
#define FAST_LEVEL 1
/* Recordings of short processes have nothing but small columns: level 1 takes half the time, and a twentieth more room. */
#define SMALL_BYTES 65536u
#define SMALL_FIRST_BYTES 131072u /* in a first block, which may be the only one */
#define SAMPLE_BYTES 32768u
#define LEAST_TO_COMPRESS 256u /* less saves a tenth of a small file, and costs a tenth of its time */

static ZSTD_CCtx *packer;
static struct bytes out, trial;

static ZSTD_CCtx *packer_get(void)
{
	if (!packer)
		packer = ZSTD_createCCtx();
	return packer;
}

size_t blockout_try(const void *data, size_t n_bytes)
{
	size_t bound = ZSTD_compressBound(n_bytes);
	trial.n = 0;
	uint8_t *at = bytes_room(&trial, bound);
	if (!at || !packer_get())
		return n_bytes;
	size_t n = ZSTD_compressCCtx(packer, at, bound, data, n_bytes, FAST_LEVEL);
	return ZSTD_isError(n) ? n_bytes : n;
}

/* A column's level, by a sample from its middle. */
static int level_for(const uint8_t *data, size_t n_bytes, bool is_first)
{
	if (n_bytes < (is_first ? SMALL_FIRST_BYTES : SMALL_BYTES))
		return FAST_LEVEL;
	size_t n = blockout_try(data + (n_bytes - SAMPLE_BYTES) / 2, SAMPLE_BYTES);
	return n < SAMPLE_BYTES / GOOD_PART ? GOOD_LEVEL : n < SAMPLE_BYTES / MIDDLE_PART ? MIDDLE_LEVEL : FAST_LEVEL;
}

void blockout_add(struct blockout *block, unsigned id, unsigned mode, const void *data, size_t n_bytes)
{
	if (n_bytes == 0 || block->header.n_columns == BLOCKOUT_COLUMNS)
		return;
	block->columns[block->header.n_columns++] =
	    (struct blockout_column){(uint8_t)id, (uint8_t)mode, data, (uint32_t)n_bytes};
}

/* Append a column's bytes and fill its directory entry. */
static int put_column(const struct blockout_column *column, struct tidemark_column *entry, bool is_first)
{
	*entry = (struct tidemark_column){.id = column->id, .mode = column->mode, .raw_bytes = column->n_bytes};
	size_t bound = ZSTD_compressBound(column->n_bytes);
	uint8_t *at = bytes_room(&out, bound);
	if (!at)
		return -1;
	size_t n = 0;
	if (column->n_bytes >= LEAST_TO_COMPRESS && packer_get())
		n = ZSTD_compressCCtx(packer, at, bound, column->data, column->n_bytes,
		    level_for(column->data, column->n_bytes, is_first));
	if (n == 0 || ZSTD_isError(n) || n >= column->n_bytes) {
		memcpy(at, column->data, column->n_bytes);
		n = column->n_bytes;
		entry->encoding = TIDEMARK_ENCODING_RAW;
	} else {
		entry->encoding = TIDEMARK_ENCODING_ZSTD;
	}
	entry->stored_bytes = (uint32_t)n;
	out.n += n;
	return 0;
}

const uint8_t *blockout_finish(struct blockout *block, size_t *n_bytes)
{
	struct tidemark_block_header *header = &block->header;
	struct tidemark_column directory[BLOCKOUT_COLUMNS];
	size_t directory_bytes = header->n_columns * sizeof(*directory);
	out.n = 0;
	if (!bytes_room(&out, sizeof(*header) + directory_bytes))
		return NULL;
	out.n = sizeof(*header) + directory_bytes;
	for (unsigned i = 0; i < header->n_columns; i++)
		if (put_column(&block->columns[i], &directory[i], header->first_alloc == 0) < 0)
			return NULL;
	memcpy(out.data + sizeof(*header), directory, directory_bytes);
	header->magic = TIDEMARK_BLOCK_MAGIC;
	header->reserved = 0;
	header->body_bytes = (uint32_t)(out.n - sizeof(*header));
	memcpy(out.data, header, sizeof(*header));
	uint32_t crc = (uint32_t)crc32(0, out.data, offsetof(struct tidemark_block_header, crc32));
	crc = (uint32_t)crc32(crc, out.data + 16, (uInt)(out.n - 16));
	header->crc32 = crc;
	memcpy(out.data + offsetof(struct tidemark_block_header, crc32), &crc, sizeof(crc));
	*n_bytes = out.n;
	return out.data;
}
