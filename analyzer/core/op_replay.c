/* Births and deaths on the axes of operations: see op_replay.h. A block of the trace is cut into spans in which thread,
 * operation and position stay the same, as in replay.c. */
#include "core/op_replay.h"

#include <stdlib.h>

#include "base/array.h"
#include "core/op_track.h"
#include "core/pairing.h"
#include "core/pieces.h"

#define AHEAD 8
#define FAR_AHEAD 32
static_assert(FAR_AHEAD < BLOCK_OLD_PAD, "old may be read that far past its end");

struct op_replay { /* of one file */
	struct op_sums *sums;
	const struct op_file *file;
	struct trace *trace;
	uint32_t index;
	struct pieces pieces;
	struct pairing pairing; /* by_thread: a piece's node is a pair then */
	struct op_track track;
	struct op_cursor cursor;
	uint32_t *cell_of_node; /* of the total: index + 1; node as in a piece */
	size_t cell_of_node_capacity;
	uint32_t *axis_of_name; /* by string: axis + 1 */
	size_t axis_of_name_capacity;
	bool timed;     /* other files or marks share the axes: time matters */
	bool worker;    /* one of several processes, and it completes operations itself */
	bool set_up;    /* it has begun one */
	uint32_t first; /* a worker's, on the total's axis: where its first operation began */
	uint32_t last;  /* and where its last one was completed */
	bool failed;    /* memory was short inside a callback */
	uint32_t now;   /* position on the total's axis */
	bool ended;     /* the total's axis, for this file */
	bool closing;   /* the last operations of this file are being performed: see op_cursor_closing */
	bool idle;      /* no operation is open on the thread at work */
	bool alive;     /* what is being counted was not freed, the file is over */
};

/* --- sums --- */

void op_sums_init(struct op_sums *sums, struct op_axes *axes)
{
	*sums = (struct op_sums){.axes = axes};
	op_stacks_init(&sums->stacks, axes->n_files);
}

void op_sums_release(struct op_sums *sums)
{
	op_stacks_release(&sums->stacks);
	idtable_release(&sums->cell_ids);
	idtable_release(&sums->share_ids);
	free(sums->cells);
	free(sums->left);
	free(sums->undecided);
	free(sums->shares);
	*sums = (struct op_sums){0};
}

struct wanted_cell {
	const struct op_sums *sums;
	uint32_t axis, stack;
};

static bool same_cell(const void *arg, uint32_t id)
{
	const struct wanted_cell *w = arg;
	return w->sums->cells[id].stack == w->stack && w->sums->cells[id].axis == w->axis;
}

/* node: as in a piece. returns: UINT32_MAX when memory is short */
static uint32_t find_cell(struct op_replay *r, uint32_t axis, uint32_t node)
{
	struct op_sums *sums = r->sums;
	if (sums->by_thread)
		node = r->pairing.pairs[node].node;
	struct wanted_cell wanted = {sums, axis, op_stacks_id(&sums->stacks, r->trace, node)};
	if (wanted.stack == UINT32_MAX)
		return UINT32_MAX;
	uint64_t hash = idtable_hash_number(axis, wanted.stack);
	uint32_t id = idtable_find(&sums->cell_ids, hash, same_cell, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	id = (uint32_t)sums->n_cells;
	if (id == UINT32_MAX || ARRAY_RESERVE(sums->cells, sums->cells_capacity, sums->n_cells + 1) < 0 ||
	    idtable_add(&sums->cell_ids, hash, id) < 0)
		return UINT32_MAX;
	sums->cells[sums->n_cells++] =
	    (struct op_cell){.axis = axis, .stack = wanted.stack, .file = r->index, .node = node};
	return id;
}

static uint32_t cell_of(struct op_replay *r, uint32_t axis, uint32_t node)
{
	if (axis)
		return find_cell(r, axis, node);
	uint32_t *known = &r->cell_of_node[node];
	if (!*known)
		*known = find_cell(r, 0, node) + 1;
	return *known - 1;
}

/* --- threads --- */

struct wanted_share {
	const struct op_sums *sums;
	uint32_t cell, file, thread;
};

static bool same_share(const void *arg, uint32_t id)
{
	const struct wanted_share *w = arg;
	const struct op_share *share = &w->sums->shares[id];
	return share->cell == w->cell && share->file == w->file && share->thread == w->thread;
}

static struct op_share *find_share(struct op_sums *sums, uint32_t cell, uint32_t file, uint32_t thread)
{
	struct wanted_share wanted = {sums, cell, file, thread};
	uint64_t hash = idtable_hash_number(idtable_hash_number(cell, file), thread);
	uint32_t id = idtable_find(&sums->share_ids, hash, same_share, &wanted);
	if (id != IDTABLE_NONE)
		return &sums->shares[id];
	id = (uint32_t)sums->n_shares;
	if (id == IDTABLE_NONE || ARRAY_RESERVE(sums->shares, sums->shares_capacity, sums->n_shares + 1) < 0 ||
	    idtable_add(&sums->share_ids, hash, id) < 0)
		return NULL;
	sums->shares[sums->n_shares++] = (struct op_share){.cell = cell, .file = file, .thread = thread};
	return &sums->shares[id];
}

static void add_share(struct op_replay *r, uint32_t cell, uint32_t pair, uint64_t size)
{
	struct op_share *share = find_share(r->sums, cell, r->index, r->pairing.pairs[pair].thread);
	r->failed |= !share;
	if (!share)
		return;
	share->blocks++;
	share->bytes += size;
}

static int compare_shares(const void *a, const void *b)
{
	const struct op_share *x = a, *y = b;
	if (x->cell != y->cell)
		return x->cell < y->cell ? -1 : 1;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

void op_sums_sort_shares(struct op_sums *sums)
{
	if (sums->n_shares)
		qsort(sums->shares, sums->n_shares, sizeof(*sums->shares), compare_shares);
}

void op_sums_take_shares(const struct op_sums *sums, uint32_t cell, struct op_stack *stack)
{
	size_t first = ARRAY_LEADING(sums->n_shares, i, sums->shares[i].cell < cell);
	size_t after = ARRAY_LEADING(sums->n_shares, i, sums->shares[i].cell <= cell);
	stack->shares = sums->shares + first;
	stack->n_shares = after - first;
}

/* --- ends --- */

/* The end of a piece, or of the recording, as one axis sees it. */
struct ending {
	uint32_t axis, birth, now;
	const struct piece *piece;
	uint64_t size;
	bool outlived; /* the piece has outlived the operation that it was born in */
};

/* The service is over for who is at work: a thread that has no more operations to perform gives back what it had, before or
 * after another one's last operation is completed. */
static inline bool is_over(const struct op_replay *r)
{
	return r->ended || (r->closing && r->idle);
}

/* A worker that ended before the others was still using some of what it had, as all of them do at the end of the run. */
static bool may_be_in_use(const struct op_replay *r, const struct piece *piece)
{
	uint64_t n_ops = r->sums->axes->items[0].n_ops;
	return r->worker && r->ended && piece->op != OP_SETUP && r->last < n_ops - n_ops / 32 &&
	       piece->birth >= r->last - (r->last - r->first) / 16;
}

/* It is alive at the end of the axis' last operation. */
static void leave(struct op_replay *r, struct op_cell *cell, const struct ending *e)
{
	struct op_sums *sums = r->sums;
	if (ARRAY_RESERVE(sums->left, sums->left_capacity, sums->n_left + 1) < 0 ||
	    ARRAY_RESERVE(sums->undecided, sums->undecided_capacity, sums->n_undecided + 1) < 0) {
		r->failed = true;
		return;
	}
	cell->left_blocks++;
	cell->left_bytes += e->size;
	if (sums->by_thread)
		add_share(r, (uint32_t)(cell - sums->cells), e->piece->node, e->size);
	uint32_t position = e->piece->op == OP_SETUP ? 0 : e->birth;
	double weight, birth = op_axis_birth(&sums->axes->items[e->axis], position, &weight);
	struct estimate_block block = {.birth = birth,
	    .size_bytes = weight * (double)e->size,
	    .stack = (uint32_t)(cell - sums->cells),
	    .freed_later = !r->alive && is_over(r)};
	if (may_be_in_use(r, e->piece)) {
		sums->undecided[sums->n_undecided++] = block;
		return;
	}
	sums->left[sums->n_left++] = block;
	const struct estimate_plan *plan = &sums->axes->items[e->axis].plan;
	estimate_count_level(plan, &cell->deaths, position, plan->n_ops, (double)e->size);
}

int op_sums_decide(struct op_sums *sums)
{
	if (ARRAY_RESERVE(sums->left, sums->left_capacity, sums->n_left + sums->n_undecided) < 0)
		return -1;
	for (size_t i = 0; i < sums->n_undecided; i++)
		if (!sums->cells[sums->undecided[i].stack].frees)
			sums->left[sums->n_left++] = sums->undecided[i];
	sums->n_undecided = 0;
	return 0;
}

/* It was freed while operations of the axis were still to come. */
static void die(struct op_replay *r, struct op_cell *cell, const struct ending *e)
{
	const struct op_axis *axis = &r->sums->axes->items[e->axis];
	double weight, birth = op_axis_birth(axis, e->birth, &weight);
	cell->frees |= e->outlived;
	estimate_count_death(&axis->plan, &cell->deaths, birth, e->now - e->birth);
	estimate_count_level(&axis->plan, &cell->deaths, e->birth, e->now, (double)e->size);
}

static void end_on(struct op_replay *r, uint32_t index, uint32_t birth, const struct piece *piece, uint64_t size)
{
	const struct op_axis *axis = &r->sums->axes->items[index];
	struct ending e = {.axis = index, .birth = birth, .piece = piece, .size = size};
	if (birth >= axis->n_ops)
		return;
	e.now = index ? op_cursor_position(&r->cursor, index) : r->now;
	bool left = r->alive || is_over(r) || (index && op_cursor_ended(&r->cursor, index));
	/* what stood before the first operation belongs to none */
	if (e.now > birth && (piece->op || birth) && piece->op != OP_SETUP)
		e.outlived = !piece->op || !op_track_is_open(&r->track, piece->op);
	bool lasts = estimate_instant(&axis->plan, birth) != estimate_instant(&axis->plan, e.now);
	bool warm = (uint64_t)birth * 4 < axis->n_ops && (left || (uint64_t)e.now * 4 >= axis->n_ops);
	if (!left && !warm && !lasts && !e.outlived && (uint64_t)(e.now - birth) * 32 <= axis->n_ops)
		return;
	uint32_t id = cell_of(r, index, piece->node);
	if (id == UINT32_MAX) {
		r->failed = true;
		return;
	}
	struct op_cell *cell = &r->sums->cells[id];
	cell->outlived_blocks += e.outlived;
	cell->outlived_bytes += e.outlived ? size : 0;
	cell->warm_bytes += warm ? size : 0;
	if (left)
		leave(r, cell, &e);
	else
		die(r, cell, &e);
}

/* Whether no operation has been completed since the birth that could matter. */
static inline bool is_young(const struct op_replay *r, const struct piece *piece)
{
	if (r->now != piece->birth || is_over(r) || r->alive)
		return false;
	return !piece->name || (op_cursor_position(&r->cursor, piece->name) == piece->name_birth &&
	                           !op_cursor_ended(&r->cursor, piece->name));
}

static inline void end_piece(struct op_replay *r, const struct piece *piece, uint64_t size)
{
	if (is_young(r, piece))
		return;
	end_on(r, 0, piece->birth, piece, size);
	if (piece->name)
		end_on(r, piece->name, piece->name_birth, piece, size);
}

/* returns: false when the block is not alive */
static inline bool end_block(struct op_replay *r, uint64_t number)
{
	uint32_t at = pieces_take(&r->pieces, number);
	if (__builtin_expect(at == PIECE_NONE, 0))
		return false;
	do {
		struct piece piece = r->pieces.items[at];
		uint64_t size;
		at = pieces_drop(&r->pieces, at, &size);
		end_piece(r, &piece, size);
	} while (at != PIECE_NONE);
	return true;
}

/* returns: 1; 0 when the block is not alive; -1 when memory is short */
static int move_block(struct op_replay *r, uint64_t number, const struct piece *to)
{
	uint32_t newest = pieces_take(&r->pieces, number);
	if (newest == PIECE_NONE)
		return 0;
	for (bool more = to->total < r->pieces.items[newest].total; more;) {
		struct piece piece = r->pieces.items[newest];
		uint64_t size;
		more = pieces_shrink(&r->pieces, &newest, to->total, &size);
		if (size)
			end_piece(r, &piece, size);
	}
	return pieces_move(&r->pieces, newest, *to) < 0 ? -1 : 1;
}

/* --- the file's end --- */

static void count_alive(void *arg, uint32_t newest)
{
	struct op_replay *r = arg;
	for (uint32_t at = newest + 1; at;) {
		const struct piece *piece = &r->pieces.items[at - 1];
		at = piece->older;
		end_piece(r, piece, piece->total - (at ? r->pieces.items[at - 1].total : 0));
	}
}

static void look_at_clock(struct op_replay *r)
{
	r->now = op_cursor_position(&r->cursor, 0);
	r->closing = op_cursor_closing(&r->cursor);
	if (!r->ended && op_cursor_ended(&r->cursor, 0)) {
		r->ended = true;
		r->last = r->now;
	}
}

static void finish(struct op_replay *r)
{
	op_cursor_time(&r->cursor, r->file->start + r->trace->end_tick + 1);
	look_at_clock(r);
	/* A helper's memory is gone with it, while the service works on. */
	bool gone = r->sums->axes->n_files > 1 && r->trace->complete && op_cursor_is_helper(&r->cursor);
	r->alive = !gone || r->ended;
	pieces_each(&r->pieces, count_alive, r);
}

/* --- events --- */

struct place {
	uint32_t event, alloc, ref;
	uint32_t run, step, rare;
	uint32_t run_end;
};

static int not_alive(const struct trace_block *b, uint32_t event, uint64_t number, struct err *err)
{
	return err_set(err, TIDEMARK_ERR_CORRUPT,
	    "block %llu at offset %llu: event %llu ends allocation %llu, which is not alive",
	    (unsigned long long)b->index, (unsigned long long)b->offset, (unsigned long long)(b->first_event + event),
	    (unsigned long long)number);
}

/* returns: the axis of a string; the first reading made one for each that names operations */
static uint32_t axis_of(struct op_replay *r, uint32_t name)
{
	if (ARRAY_RESERVE(r->axis_of_name, r->axis_of_name_capacity, r->trace->n_strings) < 0) {
		r->failed = true;
		return 0;
	}
	uint32_t *known = &r->axis_of_name[name];
	if (!*known)
		*known = op_axes_find(r->sums->axes, r->trace->strings[name]) + 1;
	return *known - 1;
}

/* What a block born now on this thread begins as. */
static struct piece piece_of_thread(struct op_replay *r, uint32_t thread)
{
	struct piece piece = {.birth = r->now};
	uint32_t name = op_track_current(&r->track, thread, &piece.op);
	piece.name = piece.op ? axis_of(r, name) : op_cursor_upcoming(&r->cursor);
	if (piece.name)
		piece.name_birth = op_cursor_position(&r->cursor, piece.name);
	if (r->worker && !r->set_up)
		piece.op = OP_SETUP;
	return piece;
}

/* Bring near what later frees will touch. Forced inline: gcc takes a function that only prefetches for one without effect,
 * and leaves its calls out. */
static inline __attribute__((always_inline)) void look_ahead(
    const struct op_replay *r, const struct trace_block *b, const struct place *at)
{
	__builtin_prefetch(live_near(&r->pieces.live, b->old[at->ref + FAR_AHEAD]), 1);
	uint64_t entry = *live_near(&r->pieces.live, b->old[at->ref + AHEAD]);
	__builtin_prefetch((const char *)((uintptr_t)r->pieces.items + (entry >> 32) * sizeof(struct piece)), 1);
}

static int run_span(struct op_replay *r, const struct trace_block *b, struct place *at, uint32_t end, struct err *err)
{
	struct piece piece = piece_of_thread(r, b->runs[at->run - 1].thread);
	r->idle = piece.op == OP_NONE;
	for (uint32_t i = at->event; i < end; i++) {
		if (!block_bit(b->ops, i)) {
			if (r->pieces.live.next)
				look_ahead(r, b, at);
			uint64_t number = b->old[at->ref++];
			if (!end_block(r, number))
				return not_alive(b, i, number, err);
			continue;
		}
		bool moves = b->moves && block_bit(b->moves, at->alloc);
		const struct trace_site *site = &b->site_table[b->sites[at->alloc++]];
		piece.node = site->node;
		piece.total = site->size_bytes;
		if (moves) {
			uint64_t number = b->old[at->ref++];
			int result = move_block(r, number, &piece);
			if (result <= 0)
				return result ? err_memory(err) : not_alive(b, i, number, err);
		} else if (pieces_add(&r->pieces, piece) < 0) {
			return err_memory(err);
		}
	}
	at->event = end;
	return r->failed ? err_memory(err) : 0;
}

static int play_operation(struct op_replay *r, const struct trace_rare *rare, struct err *err)
{
	struct op_done done;
	if (op_track_take(&r->track, rare, &done) < 0)
		return err_memory(err);
	if (!r->set_up && (rare->kind == TIDEMARK_RARE_OP_BEGIN || rare->kind == TIDEMARK_RARE_OP_START)) {
		r->set_up = true;
		r->first = r->now;
	}
	if (rare->kind == TIDEMARK_RARE_MARK && rare->values[2])
		op_cursor_mark(&r->cursor);
	if (done.completed)
		op_cursor_complete(&r->cursor, axis_of(r, done.name));
	if (done.completed && done.outermost)
		op_cursor_complete(&r->cursor, 0);
	look_at_clock(r);
	return 0;
}

static int play_rare(struct op_replay *r, const struct trace_block *b, const struct trace_rare *rare, struct err *err)
{
	switch (rare->kind) {
	case TIDEMARK_RARE_IMPLICIT_FREE: {
		uint64_t number = r->pieces.live.next - 1 - rare->values[0];
		r->idle = false;
		return end_block(r, number) ? 0 : not_alive(b, rare->position, number, err);
	}
	case TIDEMARK_RARE_MARK:
	case TIDEMARK_RARE_OP_BEGIN:
	case TIDEMARK_RARE_OP_END:
	case TIDEMARK_RARE_OP_START:
	case TIDEMARK_RARE_OP_FINISH:
	case TIDEMARK_RARE_THREAD_END:
		return play_operation(r, rare, err);
	default:
		return 0;
	}
}

static int play_between(struct op_replay *r, const struct trace_block *b, struct place *at, struct err *err)
{
	for (; at->rare < b->n_rares && b->rares[at->rare].position == at->event; at->rare++) {
		int result = play_rare(r, b, &b->rares[at->rare], err);
		if (result < 0)
			return result;
	}
	for (; at->step < b->n_steps && b->steps[at->step].position == at->event; at->step++)
		if (r->timed) {
			op_cursor_time(&r->cursor, r->file->start + b->steps[at->step].tick);
			look_at_clock(r);
		}
	while (at->run < b->n_runs && at->run_end <= at->event)
		at->run_end += b->runs[at->run++].n_events;
	return 0;
}

static uint32_t span_end(const struct op_replay *r, const struct trace_block *b, const struct place *at)
{
	uint32_t end = at->run_end;
	if (at->rare < b->n_rares && b->rares[at->rare].position < end)
		end = b->rares[at->rare].position;
	if (r->timed && at->step < b->n_steps && b->steps[at->step].position < end)
		end = b->steps[at->step].position;
	return end;
}

static int replay_block(struct op_replay *r, const struct trace_block *b, struct err *err)
{
	struct place at = {0};
	struct trace_block paired;
	size_t n_nodes = r->trace->n_nodes;
	if (r->sums->by_thread) {
		if (pairing_apply(&r->pairing, b, &paired, err) < 0)
			return TIDEMARK_ERR_MEMORY;
		b = &paired;
		n_nodes = r->pairing.n_pairs;
	}
	if (ARRAY_RESERVE(r->cell_of_node, r->cell_of_node_capacity, n_nodes) < 0)
		return err_memory(err);
	for (;;) {
		int result = play_between(r, b, &at, err);
		if (result < 0 || at.event == b->n_events)
			return result;
		result = run_span(r, b, &at, span_end(r, b, &at), err);
		if (result < 0)
			return result;
	}
}

static int play(struct op_replay *r, void (*block_read)(void *arg), void *arg, uint64_t *bad, struct err *err)
{
	const struct trace_block *block;
	int result;
	while ((result = trace_next(r->trace, &block, err)) == 1) {
		*bad = block->index;
		result = replay_block(r, block, err);
		if (result < 0)
			return result;
		if (block_read)
			block_read(arg);
	}
	if (result < 0)
		return result;
	finish(r);
	return r->failed ? err_memory(err) : 0;
}

int op_replay_file(struct op_sums *sums, uint32_t index, const struct op_file *file, void (*block_read)(void *arg),
    void *arg, uint64_t *bad, struct err *err)
{
	struct op_replay r = {.sums = sums, .file = file, .trace = file->trace, .index = index};
	r.timed = sums->axes->n_files > 1;
	op_stacks_begin_file(&sums->stacks);
	op_track_init(&r.track, file->endless, file->n_endless);
	int result = op_cursor_init(&r.cursor, sums->axes, index) < 0 ? err_memory(err) : 0;
	if (!result) {
		r.worker = r.timed && !op_cursor_is_helper(&r.cursor);
		look_at_clock(&r);
		result = play(&r, block_read, arg, bad, err);
	}
	pieces_release(&r.pieces);
	pairing_release(&r.pairing);
	op_track_release(&r.track);
	op_cursor_release(&r.cursor);
	free(r.cell_of_node);
	free(r.axis_of_name);
	return result;
}
