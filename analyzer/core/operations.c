/* Operations and the leak rate: see operations.h. Every file is read twice: an outline for the axes (op_axes.h), again
 * where that had taken operations for nested in one that never ended, or where a file is cut off before the others' end;
 * then in full for births and deaths (op_replay.h). Then each axis is estimated. */
#include "core/operations.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/batches.h"
#include "core/op_replay.h"
#include "core/op_track.h"

#define MAX_OUTLINES 4 /* each one after the first only shortens what the one before found */

struct operations_private {
	struct op_axes axes;
	struct op_sums sums;
	struct op_file *files;
	uint64_t cut;         /* time at which the first of several files is cut off; UINT64_MAX: none is */
	uint64_t lost_events; /* told by the events themselves */
};

struct session { /* a reading under way */
	struct operations *out;
	const struct operations_options *options;
	struct operations_private *own;
	uint64_t done_bytes; /* of files read to their end */
	uint64_t all_bytes;
	struct trace *reading;
};

static void show_progress(void *arg)
{
	const struct session *s = arg;
	if (s->options->progress)
		s->options->progress(
		    s->options->progress_arg, s->done_bytes + s->reading->read_bytes, 2 * s->all_bytes);
}

/* --- opening --- */

static int check_session(const struct operations *out, const struct trace *trace, struct err *err)
{
	const struct tidemark_file_header *first = &out->traces[0]->header, *this = &trace->header;
	if (memcmp(first->session_id, this->session_id, sizeof(first->session_id)) != 0)
		return err_set(err, TIDEMARK_ERR_USAGE, "'%s' and '%s' are of different sessions", out->traces[0]->path,
		    trace->path);
	for (size_t i = 0; i + 1 < out->n_traces; i++) {
		const struct tidemark_file_header *other = &out->traces[i]->header;
		if (other->pid == this->pid && other->start_mono_ns == this->start_mono_ns)
			return err_set(err, TIDEMARK_ERR_USAGE, "'%s' and '%s' are the same recording",
			    out->traces[i]->path, trace->path);
	}
	return 0;
}

/* The writer holds its lock as long as it writes: do not wait. */
static int open_live(struct trace **trace, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, "cannot open '%s'", path) : trace_open_fd(trace, fd, path, err);
}

static int open_one(struct session *s, const char *path, struct err *err)
{
	struct operations *out = s->out;
	struct trace *trace;
	int result =
	    s->options->live ? open_live(&trace, path, err) : trace_open(&trace, path, s->options->waiting, err);
	if (result < 0)
		return result;
	s->own->files[out->n_traces].trace = trace;
	out->traces[out->n_traces++] = trace;
	s->all_bytes += trace->file_bytes;
	return check_session(out, trace, err);
}

static int open_all(struct session *s, const char *const *paths, size_t n_paths, struct err *err)
{
	uint64_t first_ns = UINT64_MAX;
	for (size_t i = 0; i < n_paths; i++) {
		int result = open_one(s, paths[i], err);
		if (result < 0)
			return result;
		if (s->out->traces[i]->header.start_mono_ns < first_ns)
			first_ns = s->out->traces[i]->header.start_mono_ns;
	}
	for (size_t i = 0; i < n_paths; i++) {
		uint64_t offset = s->out->traces[i]->header.start_mono_ns - first_ns;
		s->own->files[i].start = offset / TIDEMARK_TICK_NS < TIDEMARK_MAX_TICK ? offset / TIDEMARK_TICK_NS : 0;
	}
	return 0;
}

/* --- the outline --- */

static int name_axis(struct session *s, const struct trace *trace, uint64_t name, uint32_t *axis)
{
	*axis = op_axes_find(&s->own->axes, trace->strings[name]);
	return *axis == UINT32_MAX ? -1 : 0;
}

static int outline_rare(struct session *s, uint32_t file, struct op_track *track, const struct trace_rare *rare)
{
	struct op_axes *axes = &s->own->axes;
	const struct op_file *f = &s->own->files[file];
	struct op_done done;
	uint32_t axis;
	uint64_t time = f->start + rare->tick;
	if (rare->kind == TIDEMARK_RARE_LOSS)
		s->own->lost_events += rare->values[1];
	if (rare->kind == TIDEMARK_RARE_MARK && rare->values[2]) {
		if (name_axis(s, f->trace, rare->values[1], &axis) < 0)
			return -1;
		struct op_mark mark = {.time = time, .ops = rare->values[2], .axis = axis, .file = file};
		return time > s->own->cut ? 0 : op_axes_mark(axes, &mark);
	}
	if ((rare->kind == TIDEMARK_RARE_OP_BEGIN || rare->kind == TIDEMARK_RARE_OP_START) &&
	    name_axis(s, f->trace, rare->values[1], &axis) < 0)
		return -1;
	if (time > s->own->cut)
		return 0;
	if (op_track_take(track, rare, &done) < 0 || !done.completed)
		return done.completed ? -1 : 0;
	if (name_axis(s, f->trace, done.name, &axis) < 0 || (axis && op_axes_complete(axes, axis, file, time) < 0))
		return -1;
	return done.outermost ? op_axes_complete(axes, 0, file, time) : 0;
}

/* The list for the next reading. */
static void keep_endless(struct op_file *f, struct op_track *track)
{
	free(f->endless);
	f->endless = track->found_endless;
	f->n_endless = track->n_found;
	track->found_endless = NULL;
}

static int outline_blocks(struct session *s, uint32_t file, struct op_track *track, struct err *err)
{
	const struct trace_block *block;
	int result;
	while ((result = trace_next(s->own->files[file].trace, &block, err)) == 1) {
		show_progress(s);
		for (uint32_t i = 0; i < block->n_rares; i++)
			if (outline_rare(s, file, track, &block->rares[i]) < 0)
				return err_memory(err);
	}
	if (result < 0)
		return result;
	return op_track_finish(track) < 0 ? err_memory(err) : 0;
}

/* again: set when the file has to be read once more */
static int outline_file(struct session *s, uint32_t file, bool *again, struct err *err)
{
	struct op_file *f = &s->own->files[file];
	struct op_track track;
	s->reading = f->trace;
	int result = trace_rewind(f->trace, true, err);
	op_track_init(&track, f->endless, f->n_endless);
	if (!result)
		result = outline_blocks(s, file, &track, err);
	*again |= track.misjudged;
	s->own->axes.in_flight += op_track_most_open(&track);
	s->out->unfinished += track.unfinished;
	if (!(f->trace->header.flags & TIDEMARK_FILE_FORKED))
		s->out->stray_ends += track.stray_ends;
	if (!result)
		keep_endless(f, &track);
	op_track_release(&track);
	return result;
}

/* Where the earliest of several files is cut off; what others did later cannot be held against what is missing there. */
static uint64_t find_cut(const struct session *s)
{
	uint64_t cut = UINT64_MAX;
	for (size_t i = 0; i < s->out->n_traces && s->out->n_traces > 1; i++) {
		const struct trace *trace = s->out->traces[i];
		uint64_t end = s->own->files[i].start + trace->end_tick;
		if (!trace->complete && end < cut)
			cut = end;
	}
	return cut;
}

static int outline_all(struct session *s, bool *again, struct err *err)
{
	int result = 0;
	op_axes_reset(&s->own->axes);
	s->out->unfinished = s->out->stray_ends = s->own->lost_events = 0;
	*again = false;
	for (uint32_t i = 0; i < s->out->n_traces && !result; i++)
		result = outline_file(s, i, again, err);
	uint64_t cut = find_cut(s);
	*again |= cut != s->own->cut;
	s->own->cut = cut;
	return result;
}

static int make_axes(struct session *s, struct err *err)
{
	bool again = true;
	int result = 0;
	s->own->cut = UINT64_MAX;
	for (int i = 0; i < MAX_OUTLINES && again && !result; i++)
		result = outline_all(s, &again, err);
	if (!result && op_axes_settle(&s->own->axes) < 0)
		result = err_memory(err);
	for (size_t i = 0; i < s->out->n_traces; i++)
		s->done_bytes += s->out->traces[i]->read_bytes;
	return result;
}

/* --- the replay --- */

static int replay_all(struct session *s, struct err *err)
{
	struct operations *out = s->out;
	for (uint32_t i = 0; i < out->n_traces; i++) {
		uint64_t bad = 0;
		s->reading = out->traces[i];
		int result = trace_rewind(out->traces[i], false, err);
		if (!result)
			result = op_replay_file(&s->own->sums, i, &s->own->files[i], show_progress, s, &bad, err);
		if (result == TIDEMARK_ERR_CORRUPT)
			trace_stop_before(out->traces[i], bad, err->text);
		if (result < 0)
			return result;
		s->done_bytes += out->traces[i]->read_bytes;
	}
	return 0;
}

/* A block that cannot be true cuts its file off there: everything is read again, up to it. */
static int read_all(struct session *s, struct err *err)
{
	int result = TIDEMARK_ERR_CORRUPT;
	for (size_t i = 0; i <= s->out->n_traces && result == TIDEMARK_ERR_CORRUPT; i++) {
		s->done_bytes = 0;
		op_sums_release(&s->own->sums);
		result = make_axes(s, err);
		if (result < 0)
			return result;
		op_sums_init(&s->own->sums, &s->own->axes);
		s->own->sums.by_thread = s->options->by_thread;
		result = replay_all(s, err);
	}
	if (!result && op_sums_decide(&s->own->sums) < 0)
		return err_memory(err);
	return result;
}

static void note_health(struct session *s)
{
	struct operations *out = s->out;
	uint64_t told = 0;
	out->complete = true;
	for (size_t i = 0; i < out->n_traces; i++) {
		out->complete &= out->traces[i]->complete;
		told += out->traces[i]->counters[TIDEMARK_COUNTER_LOST_EVENTS];
	}
	out->lost_events = told > s->own->lost_events ? told : s->own->lost_events;
	out->marked_ops = s->own->axes.items[0].marked_ops;
	out->live = s->options->live;
}

/* --- estimates --- */

/* Cells of one axis stand together, and what they left by cell and birth. */
struct tables {
	uint32_t *order;    /* cells by axis */
	uint32_t *first;    /* by axis: into order; one more at the end */
	size_t *first_left; /* by axis: into left; one more at the end */
	struct estimate_deaths *deaths;
	struct estimate_stack *stacks;
	bool *suppressed, *runtime;
};

static int compare_left(const void *a, const void *b)
{
	const struct estimate_block *x = a, *y = b;
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	return x->birth < y->birth ? -1 : x->birth > y->birth;
}

static void tables_release(struct tables *t)
{
	free(t->order);
	free(t->first);
	free(t->first_left);
	free(t->deaths);
	free(t->stacks);
	free(t->suppressed);
	free(t->runtime);
}

/* Counting sort of the cells; `rank`: where each went. */
static void order_cells(const struct op_sums *sums, struct tables *t, uint32_t *rank)
{
	size_t n_axes = sums->axes->n_items;
	for (size_t i = 0; i < sums->n_cells; i++)
		t->first[sums->cells[i].axis + 1]++;
	for (size_t i = 0; i < n_axes; i++)
		t->first[i + 1] += t->first[i];
	for (size_t i = 0; i < sums->n_cells; i++) {
		uint32_t at = t->first[sums->cells[i].axis]++;
		rank[i] = at;
		t->order[at] = (uint32_t)i;
		t->deaths[at] = sums->cells[i].deaths;
	}
	for (size_t i = n_axes; i-- > 0;)
		t->first[i + 1] = t->first[i];
	t->first[0] = 0;
}

static void order_left(struct op_sums *sums, struct tables *t, const uint32_t *rank)
{
	for (size_t i = 0; i < sums->n_left; i++)
		sums->left[i].stack = rank[sums->left[i].stack];
	if (sums->n_left)
		qsort(sums->left, sums->n_left, sizeof(*sums->left), compare_left);
	size_t at = 0;
	for (size_t axis = 0; axis < sums->axes->n_items; axis++) {
		t->first_left[axis] = at;
		for (; at < sums->n_left && sums->left[at].stack < t->first[axis + 1]; at++)
			sums->left[at].stack -= t->first[axis];
	}
	t->first_left[sums->axes->n_items] = at;
}

static int make_tables(struct op_sums *sums, struct tables *t)
{
	size_t n = sums->n_cells + 1, n_axes = sums->axes->n_items;
	uint32_t *rank = malloc(n * sizeof(*rank));
	*t = (struct tables){.order = malloc(n * sizeof(*t->order)),
	    .first = calloc(n_axes + 1, sizeof(*t->first)),
	    .first_left = calloc(n_axes + 1, sizeof(*t->first_left)),
	    .deaths = malloc(n * sizeof(*t->deaths)),
	    .stacks = calloc(n, sizeof(*t->stacks)),
	    .suppressed = calloc(n, sizeof(*t->suppressed)),
	    .runtime = calloc(n, sizeof(*t->runtime))};
	bool short_of = !rank || !t->order || !t->first || !t->first_left || !t->deaths || !t->stacks ||
	                !t->suppressed || !t->runtime;
	if (!short_of) {
		order_cells(sums, t, rank);
		order_left(sums, t, rank);
	}
	free(rank);
	return short_of ? -1 : 0;
}

static void ask_whose(struct session *s, struct tables *t)
{
	const struct op_sums *sums = &s->own->sums;
	for (size_t i = 0; i < sums->n_cells && s->options->whose; i++) {
		const struct op_cell *cell = &sums->cells[t->order[i]];
		if (!cell->left_blocks)
			continue;
		enum op_whose whose = s->options->whose(s->options->whose_arg, s->out, cell->file, cell->node);
		t->suppressed[i] = whose == OP_SUPPRESSED;
		t->runtime[i] = whose == OP_OF_RUNTIME;
	}
}

/* Largest rate first; then, for the axes that are too short to tell, what is simply there. */
static int compare_stacks(const void *a, const void *b)
{
	const struct op_stack *x = a, *y = b;
	if (x->suppressed != y->suppressed)
		return x->suppressed - y->suppressed;
	if (x->bytes_per_100 != y->bytes_per_100)
		return x->bytes_per_100 > y->bytes_per_100 ? -1 : 1;
	if (x->grown_per_100 != y->grown_per_100)
		return x->grown_per_100 > y->grown_per_100 ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* Growth from the end of the warm-up to the end, per 100 operations. */
static double plain_rate(const struct estimate_plan *plan, double growth)
{
	return plan->n_ops > 0 ? growth / (plan->n_ops * 0.75) * 100 : 0;
}

static int fill_stacks(const struct session *s, const struct tables *t, size_t axis, struct op_entry *entry)
{
	const struct op_sums *sums = &s->own->sums;
	entry->stacks = calloc(t->first[axis + 1] - t->first[axis] + 1, sizeof(*entry->stacks));
	if (!entry->stacks)
		return -1;
	for (size_t i = t->first[axis]; i < t->first[axis + 1]; i++) {
		const struct op_cell *cell = &sums->cells[t->order[i]];
		const struct estimate_stack *e = &t->stacks[i];
		if (!cell->left_blocks)
			continue;
		entry->stacks[entry->n_stacks++] = (struct op_stack){.file = cell->file,
		    .node = cell->node,
		    .rate_class = e->rate_class,
		    .freed_at_exit = e->freed_later,
		    .suppressed = t->suppressed[i],
		    .bytes_per_100 = e->bytes,
		    .blocks_per_100 = e->blocks,
		    .grown_per_100 = e->grown,
		    .plain =
		        plain_rate(&sums->axes->items[axis].plan, (double)cell->left_bytes - (double)cell->warm_bytes),
		    .bytes = cell->left_bytes,
		    .blocks = cell->left_blocks,
		    .first_op = (uint64_t)e->first_op,
		    .last_op = (uint64_t)e->last_op,
		    .end_op = (uint64_t)e->end_op};
		if (sums->n_shares)
			op_sums_take_shares(sums, t->order[i], &entry->stacks[entry->n_stacks - 1]);
	}
	if (entry->n_stacks)
		qsort(entry->stacks, entry->n_stacks, sizeof(*entry->stacks), compare_stacks);
	return 0;
}

/* One block of the stack with the largest mean size, had it been left in one operation of the run, would have been missed
 * with less than 1 % only if operations left it this often. */
static void sum_cells(const struct session *s, const struct tables *t, size_t axis, struct op_entry *entry)
{
	const struct op_sums *sums = &s->own->sums;
	const struct estimate_plan *plan = &sums->axes->items[axis].plan;
	double largest = 0, growth = 0, batches = (double)plan->end[0] - (double)plan->warm;
	for (size_t i = t->first[axis]; i < t->first[axis + 1]; i++) {
		const struct op_cell *cell = &sums->cells[t->order[i]];
		double blocks = (double)cell->outlived_blocks, bytes = (double)cell->outlived_bytes;
		if (t->suppressed[i])
			continue;
		growth += (double)cell->left_bytes - (double)cell->warm_bytes;
		if (blocks > 0 && bytes / blocks > largest)
			largest = bytes / blocks;
	}
	if (batches > 0)
		entry->detectable = poisson_bound99(0, true) * largest / batches * 100 / plan->batch_ops;
	entry->plain = plain_rate(plan, growth);
}

static int estimate_axis(struct session *s, struct tables *t, size_t axis, struct op_entry *entry)
{
	const struct op_sums *sums = &s->own->sums;
	const struct op_axis *a = &sums->axes->items[axis];
	struct estimate_input in = {.plan = &a->plan,
	    .n_stacks = t->first[axis + 1] - t->first[axis],
	    .blocks = sums->left ? sums->left + t->first_left[axis] : NULL,
	    .n_blocks = t->first_left[axis + 1] - t->first_left[axis],
	    .deaths = t->deaths + t->first[axis],
	    .suppressed = t->suppressed + t->first[axis],
	    .runtime = t->runtime + t->first[axis]};
	struct estimate e = {.stacks = t->stacks + t->first[axis]}, hidden = e;
	if (estimate_run(&in, &e) < 0)
		return -1;
	in.of_suppressed = true;
	if (estimate_run(&in, &hidden) < 0)
		return -1;
	*entry = (struct op_entry){.name = a->name,
	    .count = a->n_ops,
	    .told_by_program = !a->marked_ops,
	    .n_batches = (uint32_t)a->plan.n_batches,
	    .batch_ops = a->plan.batch_ops,
	    .estimate = e.rate,
	    .low = e.low,
	    .high = e.high,
	    .strict_high = e.strict_high,
	    .grown = e.grown,
	    .recent = e.recent,
	    .blocks_per_100 = e.blocks,
	    .suppressed_per_100 = hidden.rate,
	    .rate_class = e.rate_class,
	    .freed_at_exit = e.freed_later};
	sum_cells(s, t, axis, entry);
	return fill_stacks(s, t, axis, entry);
}

static int compare_entries(const void *a, const void *b)
{
	const struct op_entry *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int estimate_all(struct session *s, struct err *err)
{
	struct operations *out = s->out;
	const struct op_axes *axes = &s->own->axes;
	struct tables t;
	struct op_sums *sums = &s->own->sums;
	int result = make_tables(sums, &t);
	op_sums_sort_shares(sums);
	if (!result) {
		ask_whose(s, &t);
		out->names = calloc(axes->n_items, sizeof(*out->names));
		result = out->names ? estimate_axis(s, &t, 0, &out->total) : -1;
	}
	for (size_t i = 1; i < axes->n_items && !result; i++)
		if (axes->items[i].n_ops)
			result = estimate_axis(s, &t, i, &out->names[out->n_names++]);
	if (!result && out->n_names)
		qsort(out->names, out->n_names, sizeof(*out->names), compare_entries);
	tables_release(&t);
	return result < 0 ? err_memory(err) : 0;
}

/* --- the door --- */

int operations_read(struct operations **result, const char *const *paths, size_t n_paths,
    const struct operations_options *options, struct err *err)
{
	struct err local;
	struct operations *out = calloc(1, sizeof(*out));
	struct session s = {.out = out, .options = options};
	err = err ? err : &local;
	if (out) {
		s.own = out->private_state = calloc(1, sizeof(*s.own));
		out->traces = calloc(n_paths + 1, sizeof(struct trace *));
	}
	if (s.own)
		s.own->files = calloc(n_paths + 1, sizeof(*s.own->files));
	int status =
	    s.own && s.own->files && out->traces && op_axes_init(&s.own->axes, n_paths) == 0 ? 0 : err_memory(err);
	if (!status)
		status = open_all(&s, paths, n_paths, err);
	if (!status)
		status = read_all(&s, err);
	if (!status) {
		note_health(&s);
		status = estimate_all(&s, err);
	}
	if (status < 0) {
		operations_free(out);
		return status;
	}
	*result = out;
	return 0;
}

void operations_free(struct operations *o)
{
	if (!o)
		return;
	struct operations_private *own = o->private_state;
	for (size_t i = 0; i < o->n_traces; i++) {
		trace_free(o->traces[i]);
		free(own->files[i].endless);
	}
	for (size_t i = 0; i < o->n_names; i++)
		free(o->names[i].stacks);
	if (own) {
		op_sums_release(&own->sums);
		op_axes_release(&own->axes);
		free(own->files);
	}
	free(o->total.stacks);
	free(o->names);
	free(o->traces);
	free(own);
	free(o);
}

const struct op_entry *operations_find(const struct operations *operations, const char *name)
{
	if (!name)
		return &operations->total;
	for (size_t i = 0; i < operations->n_names; i++)
		if (!strcmp(operations->names[i].name, name))
			return &operations->names[i];
	return NULL;
}

/* Below a tenth it is what the bounds of the names leave open, and nobody's concern. */
double operations_outside(const struct operations *operations)
{
	const struct op_entry *total = &operations->total;
	double outside = total->low;
	for (size_t i = 0; i < operations->n_names; i++) {
		const struct op_entry *name = &operations->names[i];
		outside -= fmax(0, name->strict_high) * (double)name->count / (double)total->count;
	}
	return outside > total->low / 10 ? outside : 0;
}
