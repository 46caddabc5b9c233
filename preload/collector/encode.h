/* From chunks to the columns of an EVENTS block. Writer thread only. */
#ifndef ENCODE_H
#define ENCODE_H

#include "blockout.h"
#include "tracefile.h"

/* Append a chunk to a block, defining what is new. cost: about 5 ns an event */
void encode_add(struct tracefile_block *block, struct defs *defs, const struct image *image, const struct chunk *chunk);

/* Make the columns of a block. They stay until the next call and until block or defs change.
 * returns: 0, -1 without memory */
int encode_block(struct tracefile_block *block, const struct defs *defs, struct blockout *out);

/* Begin another block. */
void encode_clear(struct tracefile_block *block);

void encode_release(struct tracefile_block *block);

#endif
