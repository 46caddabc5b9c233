/* Axes of operations: see op_axes.h. */
#include "core/op_axes.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static bool is_marked(const struct op_axis *axis)
{
	return axis->marked_ops > 0;
}

static int add_axis(struct op_axes *axes, const char *name)
{
	if (ARRAY_RESERVE(axes->items, axes->capacity, axes->n_items + 1) < 0)
		return -1;
	struct op_axis axis = {.name = name ? strdup(name) : NULL,
	    .own = calloc(axes->n_files, sizeof(*axis.own)),
	    .clocks = calloc(axes->n_files, sizeof(*axis.clocks))};
	axes->items[axes->n_items++] = axis;
	return axis.own && axis.clocks && (axis.name || !name) ? 0 : -1;
}

int op_axes_init(struct op_axes *axes, size_t n_files)
{
	*axes = (struct op_axes){.n_files = n_files};
	return add_axis(axes, NULL);
}

void op_axes_reset(struct op_axes *axes)
{
	for (size_t i = 0; i < axes->n_items; i++) {
		struct op_axis *axis = &axes->items[i];
		for (size_t file = 0; file < axes->n_files; file++) {
			axis->own[file] = 0;
			free(axis->clocks[file]);
			axis->clocks[file] = NULL;
		}
		free(axis->starts);
		*axis = (struct op_axis){.name = axis->name, .own = axis->own, .clocks = axis->clocks};
	}
	axes->n_marks = 0;
	axes->in_flight = 0;
	axes->clock_shift = 0;
}

void op_axes_release(struct op_axes *axes)
{
	for (size_t i = 0; i < axes->n_items; i++) {
		struct op_axis *axis = &axes->items[i];
		for (size_t file = 0; axis->clocks && file < axes->n_files; file++)
			free(axis->clocks[file]);
		free(axis->clocks);
		free(axis->own);
		free(axis->starts);
		free(axis->name);
	}
	free(axes->items);
	free(axes->marks);
	idtable_release(&axes->names);
	*axes = (struct op_axes){0};
}

/* --- names --- */

struct wanted {
	const struct op_axes *axes;
	const char *name;
};

static bool same_name(const void *arg, uint32_t id)
{
	const struct wanted *wanted = arg;
	return !strcmp(wanted->axes->items[id].name, wanted->name);
}

uint32_t op_axes_find(struct op_axes *axes, const char *name)
{
	struct wanted wanted = {axes, name};
	uint64_t hash = idtable_hash_text(0, name);
	uint32_t id = idtable_find(&axes->names, hash, same_name, &wanted);
	if (id != IDTABLE_NONE)
		return id;
	id = (uint32_t)axes->n_items;
	if (id >= OP_AXES_MAX)
		return 0;
	return add_axis(axes, name) < 0 || idtable_add(&axes->names, hash, id) < 0 ? UINT32_MAX : id;
}

/* --- counting --- */

/* Bins become twice as long. */
static void fold_clocks(struct op_axes *axes)
{
	axes->clock_shift++;
	for (size_t i = 0; i < axes->n_items; i++)
		for (size_t file = 0; file < axes->n_files; file++) {
			uint32_t *bins = axes->items[i].clocks[file];
			if (!bins)
				continue;
			for (size_t b = 0; b < OP_CLOCK_BINS / 2; b++)
				bins[b] = bins[2 * b] + bins[2 * b + 1];
			memset(bins + OP_CLOCK_BINS / 2, 0, OP_CLOCK_BINS / 2 * sizeof(*bins));
		}
}

int op_axes_complete(struct op_axes *axes, uint32_t axis, uint32_t file, uint64_t time)
{
	struct op_axis *a = &axes->items[axis];
	if (a->api_ops >= OP_MAX_OPS)
		return 0;
	a->api_ops++;
	a->own[file]++;
	if (!is_marked(a) && time > a->end_time)
		a->end_time = time;
	if (axes->n_files == 1)
		return 0;
	if (!a->clocks[file] && !(a->clocks[file] = calloc(OP_CLOCK_BINS, sizeof(uint32_t))))
		return -1;
	while (time >> axes->clock_shift >= OP_CLOCK_BINS)
		fold_clocks(axes);
	a->clocks[file][time >> axes->clock_shift]++;
	return 0;
}

static void count_marked(struct op_axis *axis, const struct op_mark *mark)
{
	if (!is_marked(axis) || mark->time > axis->end_time)
		axis->end_time = mark->time;
	axis->marked_ops += mark->ops;
}

int op_axes_mark(struct op_axes *axes, const struct op_mark *mark)
{
	uint64_t room = OP_MAX_OPS - axes->items[0].marked_ops;
	if (!mark->ops || !room)
		return 0;
	if (ARRAY_RESERVE(axes->marks, axes->marks_capacity, axes->n_marks + 1) < 0)
		return -1;
	struct op_mark *added = &axes->marks[axes->n_marks++];
	*added = *mark;
	added->ops = mark->ops < room ? mark->ops : room;
	added->order = axes->n_marks;
	count_marked(&axes->items[0], added);
	if (mark->axis)
		count_marked(&axes->items[mark->axis], added);
	return 0;
}

/* --- batches --- */

static int compare_marks(const void *a, const void *b)
{
	const struct op_mark *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* A batch closes at the first mark at or past its usual size. */
static int cut_marked(const struct op_axes *axes, struct op_axis *axis, uint32_t index)
{
	double usual = estimate_usual_batch((double)axis->n_ops);
	uint64_t done = 0, *starts = malloc((axes->n_marks + 1) * sizeof(*starts));
	size_t n = 0;
	if (!starts)
		return -1;
	starts[n++] = 0;
	for (size_t i = 0; i < axes->n_marks; i++) {
		if (index && axes->marks[i].axis != index)
			continue;
		done += axes->marks[i].ops;
		if ((double)(done - starts[n - 1]) >= usual)
			starts[n++] = done;
	}
	axis->starts = starts;
	axis->n_starts = n;
	return 0;
}

int op_axes_settle(struct op_axes *axes)
{
	if (axes->n_marks)
		qsort(axes->marks, axes->n_marks, sizeof(*axes->marks), compare_marks);
	for (uint32_t i = 0; i < axes->n_items; i++) {
		struct op_axis *axis = &axes->items[i];
		axis->n_ops = is_marked(axis) ? axis->marked_ops : axis->api_ops;
		if (is_marked(axis) && cut_marked(axes, axis, i) < 0)
			return -1;
		size_t n = axis->n_starts > 1 ? axis->n_starts - 1 : 0;
		estimate_plan(&axis->plan, (double)axis->n_ops, n ? (double)axis->starts[n] / (double)n : 0);
		axis->plan.in_flight = (double)axes->in_flight;
	}
	return 0;
}

double op_axis_birth(const struct op_axis *axis, uint32_t position, double *weight)
{
	*weight = 1;
	if (axis->n_starts < 2 || position >= axis->starts[axis->n_starts - 1])
		return position;
	size_t low = 0, high = axis->n_starts - 1;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (axis->starts[middle] <= position)
			low = middle;
		else
			high = middle;
	}
	double size = (double)(axis->starts[high] - axis->starts[low]), batch = axis->plan.batch_ops;
	*weight = batch / size;
	/* a hair more, so that rounding puts the first of a batch into no batch before */
	return ((double)low + (double)(position - axis->starts[low]) / size) * batch * (1 + 1e-12);
}

/* --- cursors --- */

/* What this file (own) or the others completed before each bin. returns: NULL when memory is short */
static uint32_t *sum_bins(const struct op_axes *axes, const struct op_axis *axis, uint32_t file, bool own)
{
	uint32_t *sums = calloc(OP_CLOCK_BINS + 1, sizeof(*sums)), sum = 0;
	for (size_t b = 0; sums && b < OP_CLOCK_BINS; b++) {
		for (size_t i = 0; i < axes->n_files; i++)
			if ((i == file) == own && axis->clocks[i])
				sum += axis->clocks[i][b];
		sums[b + 1] = sum;
	}
	return sums;
}

int op_cursor_init(struct op_cursor *c, const struct op_axes *axes, uint32_t file)
{
	*c = (struct op_cursor){.axes = axes,
	    .file = file,
	    .counts = calloc(axes->n_items, sizeof(*c->counts)),
	    .others = calloc(axes->n_items, sizeof(*c->others)),
	    .own = calloc(axes->n_items, sizeof(*c->own))};
	if (!c->counts || !c->others || !c->own)
		return -1;
	for (size_t i = 0; i < axes->n_items; i++) {
		const struct op_axis *axis = &axes->items[i];
		if (is_marked(axis) || axis->api_ops == axis->own[file])
			continue;
		c->others[i] = sum_bins(axes, axis, file, false);
		c->own[i] = sum_bins(axes, axis, file, true);
		if (!c->others[i] || !c->own[i])
			return -1;
	}
	return 0;
}

void op_cursor_release(struct op_cursor *c)
{
	for (size_t i = 0; c->others && c->own && i < c->axes->n_items; i++) {
		free(c->others[i]);
		free(c->own[i]);
	}
	free(c->others);
	free(c->own);
	free(c->counts);
	*c = (struct op_cursor){0};
}

void op_cursor_complete(struct op_cursor *c, uint32_t axis)
{
	const struct op_axis *a = &c->axes->items[axis];
	if (!is_marked(a) && c->counts[axis] < a->own[c->file])
		c->counts[axis]++;
}

static void pass_marks(struct op_cursor *c)
{
	for (; c->next_mark < c->axes->n_marks; c->next_mark++) {
		const struct op_mark *mark = &c->axes->marks[c->next_mark];
		bool own = mark->file == c->file;
		if (own ? c->own_passed >= c->own_marks : mark->time > c->now)
			return;
		c->own_passed += own;
		c->counts[0] += mark->ops;
		if (mark->axis)
			c->counts[mark->axis] += mark->ops;
	}
}

void op_cursor_mark(struct op_cursor *c)
{
	c->own_marks++;
	pass_marks(c);
}

void op_cursor_time(struct op_cursor *c, uint64_t time)
{
	c->now = time;
	if (c->axes->n_marks)
		pass_marks(c);
}

/* Inside a bin the others are taken to advance as this file does. */
static uint64_t others_by_now(const struct op_cursor *c, uint32_t axis)
{
	uint64_t bin = c->now >> c->axes->clock_shift;
	if (bin >= OP_CLOCK_BINS)
		return c->others[axis][OP_CLOCK_BINS];
	const uint32_t *others = &c->others[axis][bin], *own = &c->own[axis][bin];
	uint64_t all = own[1] - own[0], done = c->counts[axis] > own[0] ? c->counts[axis] - own[0] : 0;
	if (done > all)
		done = all;
	return others[0] + (all ? (uint64_t)(others[1] - others[0]) * done / all : 0);
}

uint32_t op_cursor_position(const struct op_cursor *c, uint32_t axis)
{
	if (!c->others[axis])
		return (uint32_t)c->counts[axis];
	if (c->now > c->axes->items[axis].end_time)
		return (uint32_t)c->axes->items[axis].n_ops;
	return (uint32_t)(c->counts[axis] + others_by_now(c, axis));
}

bool op_cursor_ended(const struct op_cursor *c, uint32_t axis)
{
	const struct op_axis *a = &c->axes->items[axis];
	if (is_marked(a))
		return c->counts[axis] >= a->marked_ops;
	if (a->own[c->file])
		return c->counts[axis] >= a->own[c->file];
	return c->now > a->end_time;
}

bool op_cursor_closing(const struct op_cursor *c)
{
	uint64_t own = c->axes->items[0].own[c->file];
	return !op_cursor_is_helper(c) && c->counts[0] >= own - own / 64;
}

bool op_cursor_is_helper(const struct op_cursor *c)
{
	return is_marked(&c->axes->items[0]) || !c->axes->items[0].own[c->file];
}

uint32_t op_cursor_upcoming(const struct op_cursor *c)
{
	return c->next_mark < c->axes->n_marks ? c->axes->marks[c->next_mark].axis : 0;
}
