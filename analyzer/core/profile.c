/* Reads a whole trace into a profile: see profile.h. Up to three passes: an outline when a window or a timeline must be
 * placed, the replay, and both again when the replay found a block that cannot be true. */
#include "core/profile.h"

#include <stdlib.h>

#include "core/pairing.h"
#include "core/replay.h"

/* What a reading leaves behind. */
struct playing {
	struct replay replay;
	struct pairing pairing; /* by_thread */
	uint64_t bad;           /* the block that a CORRUPT result is about */
};

/* A replay that has pairs for nodes. */
static int play_pairs(struct playing *p, const struct trace *trace, const struct trace_block *block, struct err *err)
{
	struct trace_block by_thread;
	int result = pairing_apply(&p->pairing, block, &by_thread, err);
	if (result < 0)
		return result;
	struct trace numbered = *trace;
	numbered.n_nodes = (uint32_t)p->pairing.n_pairs;
	return replay_block(&p->replay, &numbered, &by_thread, err);
}

/* Play the trace from where it stands. */
static int play(struct trace *trace, struct playing *p, const struct profile_options *options, struct err *err)
{
	const struct trace_block *block;
	int result;
	while ((result = trace_next(trace, &block, err)) == 1) {
		if (options->progress)
			options->progress(options->progress_arg, trace->read_bytes, trace->file_bytes);
		p->bad = block->index;
		result =
		    options->by_thread ? play_pairs(p, trace, block, err) : replay_block(&p->replay, trace, block, err);
		if (result < 0)
			return result;
	}
	return result < 0 ? result : replay_finish(&p->replay, trace, err);
}

static int run(struct trace *trace, struct playing *p, const struct profile_options *options, struct err *err)
{
	struct window window = WINDOW_ALL;
	int result = 0;
	if (options->from || options->to || options->n_points) {
		result = window_find(trace, options->from, options->to, &window, err);
		if (result >= 0)
			result = trace_rewind(trace, false, err);
	}
	if (result < 0)
		return result;
	result = replay_init(&p->replay, &window, options->n_points, options->whole_live, err);
	return result < 0 ? result : play(trace, p, options, err);
}

static void release(struct playing *p)
{
	replay_release(&p->replay);
	pairing_release(&p->pairing);
}

static int read_profile(struct trace *trace, struct playing *p, const struct profile_options *options, struct err *err)
{
	int result = run(trace, p, options, err);
	if (result != TIDEMARK_ERR_CORRUPT)
		return result;
	/* Part of the bad block is in the aggregates: replay again, up to the block. */
	release(p);
	trace_stop_before(trace, p->bad, err->text);
	result = trace_rewind(trace, false, err);
	return result < 0 ? result : run(trace, p, options, err);
}

/* Rows of pairs, and rows of nodes made of them. */
static int move_pairs(struct profile *profile, struct playing *p, struct err *err)
{
	size_t n_rows = profile->trace->n_nodes;
	profile->pairs = p->pairing.pairs;
	profile->n_pairs = (uint32_t)p->pairing.n_pairs;
	p->pairing.pairs = NULL;
	profile->pair_rows = p->replay.rows;
	p->replay.rows = calloc(n_rows + 1, sizeof(*p->replay.rows));
	if (!p->replay.rows)
		return err_memory(err);
	for (uint32_t i = 0; i < profile->n_pairs; i++)
		profile_row_add(&p->replay.rows[profile->pairs[i].node], &profile->pair_rows[i]);
	return 0;
}

static void move_out(struct profile *profile, struct replay *replay)
{
	profile->totals = replay->totals;
	profile->rows = replay->rows;
	profile->n_rows = profile->trace->n_nodes;
	profile->points = replay->series.points;
	profile->n_points = replay->series.n_points;
	profile->marks = replay->marks;
	profile->n_marks = (uint32_t)replay->n_marks;
	profile->smaps = replay->smaps;
	profile->n_smaps = (uint32_t)replay->n_smaps;
	replay->rows = NULL;
	replay->series.points = NULL;
	replay->marks = NULL;
	replay->smaps = NULL;
}

void profile_row_add(struct profile_row *sum, const struct profile_row *row)
{
	sum->allocations += row->allocations;
	sum->allocated_bytes += row->allocated_bytes;
	sum->live_blocks += row->live_blocks;
	sum->live_bytes += row->live_bytes;
	sum->peak_blocks += row->peak_blocks;
	sum->peak_bytes += row->peak_bytes;
	sum->temporary += row->temporary;
}

int profile_read(struct profile **out, const char *path, const struct profile_options *options, struct err *err)
{
	struct err local;
	struct playing playing = {0};
	struct profile *profile = calloc(1, sizeof(*profile));
	err = err ? err : &local;
	if (!profile)
		return err_memory(err);
	int result = trace_open(&profile->trace, path, options->waiting, err);
	if (result >= 0)
		result = read_profile(profile->trace, &playing, options, err);
	if (result >= 0 && options->by_thread)
		result = move_pairs(profile, &playing, err);
	if (result >= 0)
		move_out(profile, &playing.replay);
	release(&playing);
	if (result < 0) {
		profile_free(profile);
		return result;
	}
	*out = profile;
	return 0;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	trace_free(profile->trace);
	free(profile->rows);
	free(profile->pairs);
	free(profile->pair_rows);
	free(profile->points);
	free(profile->marks);
	free(profile->smaps);
	free(profile);
}
