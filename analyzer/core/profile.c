/* Reads a whole trace into a profile: see profile.h. Up to three passes: an outline when a window or a timeline must be
 * placed, the replay, and both again when the replay found a block that cannot be true. */
#include "core/profile.h"

#include <stdlib.h>

#include "core/replay.h"

/* Play the trace from where it stands. *bad: the block that a CORRUPT result is about */
static int play(
    struct trace *trace, struct replay *replay, const struct profile_options *options, uint64_t *bad, struct err *err)
{
	const struct trace_block *block;
	int result;
	while ((result = trace_next(trace, &block, err)) == 1) {
		if (options->progress)
			options->progress(options->progress_arg, trace->read_bytes, trace->file_bytes);
		*bad = block->index;
		result = replay_block(replay, trace, block, err);
		if (result < 0)
			return result;
	}
	return result < 0 ? result : replay_finish(replay, trace, err);
}

static int run(
    struct trace *trace, struct replay *replay, const struct profile_options *options, uint64_t *bad, struct err *err)
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
	result = replay_init(replay, &window, options->n_points, options->whole_live, err);
	return result < 0 ? result : play(trace, replay, options, bad, err);
}

static int read_profile(
    struct trace *trace, struct replay *replay, const struct profile_options *options, struct err *err)
{
	uint64_t bad = 0;
	int result = run(trace, replay, options, &bad, err);
	if (result != TIDEMARK_ERR_CORRUPT)
		return result;
	/* Part of the bad block is in the aggregates: replay again, up to the block. */
	replay_release(replay);
	trace_stop_before(trace, bad, err->text);
	result = trace_rewind(trace, false, err);
	return result < 0 ? result : run(trace, replay, options, &bad, err);
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

int profile_read(struct profile **out, const char *path, const struct profile_options *options, struct err *err)
{
	struct err local;
	struct replay replay = {0};
	struct profile *profile = calloc(1, sizeof(*profile));
	err = err ? err : &local;
	if (!profile)
		return err_set(err, TIDEMARK_ERR_MEMORY, "out of memory");
	int result = trace_open(&profile->trace, path, options->waiting, err);
	if (result >= 0)
		result = read_profile(profile->trace, &replay, options, err);
	if (result >= 0)
		move_out(profile, &replay);
	replay_release(&replay);
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
	free(profile->points);
	free(profile->marks);
	free(profile->smaps);
	free(profile);
}
