/* Piles of pieces: see pieces.h. */
#include "core/pieces.h"

#include <stdlib.h>

#include "base/array.h"

#define MAX_PIECES (1u << 31) /* struct live keeps the top bit */

void pieces_release(struct pieces *p)
{
	live_release(&p->live);
	free(p->items);
	*p = (struct pieces){0};
}

uint32_t pieces_grow(struct pieces *p)
{
	if (p->n_items >= MAX_PIECES || ARRAY_RESERVE(p->items, p->capacity, (size_t)p->n_items + 1) < 0)
		return PIECE_NONE;
	return p->n_items++;
}

bool pieces_shrink(struct pieces *p, uint32_t *newest, uint64_t total, uint64_t *size)
{
	struct piece *piece = &p->items[*newest];
	if (piece->older && p->items[piece->older - 1].total >= total) {
		*newest = pieces_drop(p, *newest, size);
		return true;
	}
	*size = piece->total - total;
	piece->total = total;
	return false;
}

static bool is_same_birth(const struct piece *a, const struct piece *b)
{
	return a->node == b->node && a->birth == b->birth && a->name == b->name && a->name_birth == b->name_birth &&
	       a->op == b->op;
}

int pieces_move(struct pieces *p, uint32_t newest, struct piece piece)
{
	struct piece *top = &p->items[newest];
	if (piece.total > top->total && is_same_birth(top, &piece)) {
		top->total = piece.total;
	} else if (piece.total > top->total) {
		piece.older = newest + 1;
		newest = pieces_put(p, piece);
		if (newest == PIECE_NONE)
			return -1;
	}
	return live_add(&p->live, newest, 0);
}

struct visit {
	void (*visit)(void *arg, uint32_t newest);
	void *arg;
};

static void visit_block(void *arg, const struct live_block *block)
{
	const struct visit *visit = arg;
	visit->visit(visit->arg, block->node);
}

void pieces_each(const struct pieces *p, void (*visit)(void *arg, uint32_t newest), void *arg)
{
	struct visit each = {visit, arg};
	live_each(&p->live, 0, visit_block, &each);
}
