/* Leaks by kind: see leaks.h. */
#include "core/leaks.h"

#include <stdlib.h>

#include "base/array.h"

#define UNKNOWN (-2)

/* Which suppression matches a frame, asked once for each distinct one. */
struct matcher {
	const struct stacks *stacks;
	const struct suppressions *suppressions;
	int *of_view;
};

/* The innermost frame that any suppression matches decides, as in LeakSanitizer. */
static int match_stack(const struct matcher *m, uint32_t node)
{
	for (; node; node = m->stacks->nodes[node].parent) {
		uint32_t view = m->stacks->nodes[node].view;
		if (m->of_view[view] == UNKNOWN)
			m->of_view[view] = suppressions_match(m->suppressions, &m->stacks->views[view]);
		if (m->of_view[view] != SUPPRESS_NONE)
			return m->of_view[view];
	}
	return SUPPRESS_NONE;
}

static void count(struct leak_sum *sum, const struct profile_row *row)
{
	sum->stacks++;
	sum->blocks += row->live_blocks;
	sum->bytes += row->live_bytes;
}

static int add_leak(struct leaks *leaks, struct leak leak, struct suppressions *suppressions)
{
	if (ARRAY_RESERVE(leaks->items, leaks->capacity, leaks->n_items + 1) < 0)
		return -1;
	leaks->items[leaks->n_items++] = leak;
	count(&leaks->sums[leak.kind], &leak.row->sums[0]);
	if (leak.kind == LEAK_SUPPRESSED) {
		struct suppression *hid = &suppressions->items[leak.suppression];
		hid->stacks++;
		hid->blocks += leak.row->sums[0].live_blocks;
		hid->bytes += leak.row->sums[0].live_bytes;
	}
	return 0;
}

int leaks_collect(struct leaks *leaks, const struct stacks *stacks, struct suppressions *suppressions,
    runtime_callee *callee, void *callee_arg, struct err *err)
{
	struct matcher matcher = {stacks, suppressions, malloc((stacks->n_views + 1) * sizeof(int))};
	const struct frame_view **frames = NULL;
	size_t capacity = 0;
	int result = matcher.of_view ? 0 : -1;
	for (size_t i = 0; i < stacks->n_views && !result; i++)
		matcher.of_view[i] = UNKNOWN;
	for (size_t i = 0; i < stacks->n_rows && !result; i++) {
		const struct stack_row *row = &stacks->rows[i];
		if (!row->sums[0].live_blocks && !row->sums[1].live_blocks)
			continue;
		struct leak leak = {.row = row, .kind = LEAK_PROGRAM, .suppression = SUPPRESS_NONE};
		size_t n = stacks_frames(stacks, row->node, &frames, &capacity);
		if (runtime_owns(frames, n, callee, callee_arg))
			leak.kind = LEAK_RUNTIME;
		else if ((leak.suppression = match_stack(&matcher, row->node)) != SUPPRESS_NONE)
			leak.kind = LEAK_SUPPRESSED;
		result = add_leak(leaks, leak, suppressions);
	}
	free(frames);
	free(matcher.of_view);
	return result < 0 ? err_memory(err) : 0;
}

void leaks_release(struct leaks *leaks)
{
	free(leaks->items);
	*leaks = (struct leaks){0};
}
