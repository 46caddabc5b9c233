/* Live blocks with their history: a block is a pile of pieces, because a realloc that grows a block adds a piece of its own
 * and one that shrinks it ends the newest. Enters: births, moves and ends by allocation number. Leaves: pieces. Called by
 * op_replay.c for every event. threads: one; memory: 40 bytes a piece. */
#ifndef PIECES_H
#define PIECES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/live.h"

struct piece {
	uint64_t total; /* of the block, up to this piece */
	uint32_t node;
	uint32_t birth, name_birth; /* positions on the total's axis and on the name's */
	uint32_t name;              /* axis; 0: none */
	uint32_t op;                /* token of op_track.h */
	uint32_t older;             /* index + 1; 0: this is the block's first; of a free one: the next free */
};

struct pieces {
	struct live live; /* by allocation number; an entry's node is the index of the block's newest piece */
	struct piece *items;
	size_t capacity;
	uint32_t n_items, free_piece; /* index + 1 */
};

void pieces_release(struct pieces *pieces);

#define PIECE_NONE UINT32_MAX

uint32_t pieces_grow(struct pieces *pieces);

/* Keep a piece. returns: its index, PIECE_NONE when memory is short */
static inline uint32_t pieces_put(struct pieces *p, struct piece piece)
{
	uint32_t index = p->free_piece;
	if (index)
		p->free_piece = p->items[--index].older;
	else if ((index = pieces_grow(p)) == PIECE_NONE)
		return PIECE_NONE;
	p->items[index] = piece;
	return index;
}

/* The next block is born, of one piece. returns: -1 when memory is short */
static inline int pieces_add(struct pieces *p, struct piece piece)
{
	uint32_t index = pieces_put(p, piece);
	return index == PIECE_NONE ? -1 : live_add(&p->live, index, 0);
}

/* The block `number` ends. returns: index of its newest piece, PIECE_NONE when it is not alive; pieces_drop each */
static inline uint32_t pieces_take(struct pieces *p, uint64_t number)
{
	struct live_block block;
	return live_take(&p->live, number, &block) ? block.node : PIECE_NONE;
}

/* Free a piece. returns: index of the next older one of its block, PIECE_NONE after the last. size: what it held */
static inline uint32_t pieces_drop(struct pieces *p, uint32_t index, uint64_t *size)
{
	struct piece *piece = &p->items[index];
	uint32_t older = piece->older;
	*size = piece->total - (older ? p->items[older - 1].total : 0);
	piece->older = p->free_piece;
	p->free_piece = index + 1;
	return older - 1;
}

/* The newest piece of a block that was taken is cut to what is left of it by a shrink.
 * returns: whether a whole piece went, so that the next older may have to go too; size: what ended */
bool pieces_shrink(struct pieces *pieces, uint32_t *newest, uint64_t total, uint64_t *size);

/* A block that was taken goes on under the next number, with a new piece when it grew. returns: -1 when memory is short */
int pieces_move(struct pieces *pieces, uint32_t newest, struct piece piece);

/* Call visit for each live block: index of its newest piece. */
void pieces_each(const struct pieces *pieces, void (*visit)(void *arg, uint32_t newest), void *arg);

#endif
