/* Assemble one block of a trace file: columns in, compressed body out. Writer thread only; its buffers are shared. */
#ifndef BLOCKOUT_H
#define BLOCKOUT_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/trace.h"

#define BLOCKOUT_COLUMNS 48

struct blockout_column {
	uint8_t id, mode;
	const uint8_t *data;
	uint32_t n_bytes;
};

struct blockout {
	struct tidemark_block_header header; /* the caller sets type, flags, n_events, first_alloc, start_tick */
	struct blockout_column columns[BLOCKOUT_COLUMNS];
};

/* Add a column; an empty one is left out. data stays until blockout_finish. */
void blockout_add(struct blockout *block, unsigned id, unsigned mode, const void *data, size_t n_bytes);

/* Compress. returns: the whole block with its header, valid until the next call; NULL without memory */
const uint8_t *blockout_finish(struct blockout *block, size_t *n_bytes);

/* How many bytes would these take, compressed? */
size_t blockout_try(const void *data, size_t n_bytes);

#endif
