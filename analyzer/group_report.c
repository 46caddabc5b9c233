/* Groups as top, leaks and diff show them: see group_report.h. */
#include "group_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "render/json.h"

#define NAME_COLUMNS 100

static void print_name(const struct term *term, const char *name)
{
	fputs("  ", term->out);
	term_text(term, name, NAME_COLUMNS);
	fputc('\n', term->out);
}

/* The name of the line that sums up what the limit leaves out. */
static const char *more_text(char text[64], size_t n)
{
	snprintf(text, 64, "(%zu more; --limit 0 shows all)", n);
	return text;
}

/* --- top --- */

/* Blocks that make up the cost. */
static uint64_t blocks_of(const struct profile_row *row, enum cost cost)
{
	switch (cost) {
	case COST_LEAKED:
		return row->live_blocks;
	case COST_PEAK:
		return row->peak_blocks;
	case COST_TEMPORARY:
		return row->temporary;
	default:
		return row->allocations;
	}
}

static void print_line(
    const struct term *term, const struct profile_row *row, enum cost cost, uint64_t total, const char *name)
{
	char value[SIZE_TEXT_BYTES], blocks[SIZE_TEXT_BYTES];
	double percent = total ? 100.0 * (double)cost_value(row, cost) / (double)total : 0;
	fprintf(term->out, "%12s %7.1f %% %14s", amount_text(value, cost_value(row, cost), cost_is_bytes(cost)),
	    percent, count_text(blocks, blocks_of(row, cost)));
	print_name(term, name);
}

void group_report_print(const struct term *term, const struct groups *g, enum cost cost, size_t limit)
{
	struct profile_row all = {0}, rest = {0};
	char more[64];
	for (size_t i = 0; i < g->n_items; i++) {
		profile_row_add(&all, &g->items[i].sums[0]);
		if (i >= limit)
			profile_row_add(&rest, &g->items[i].sums[0]);
	}
	uint64_t total = cost_value(&all, cost);
	fprintf(term->out, "%12s %9s %14s  group\n", cost_name(cost), "share", "blocks");
	for (size_t i = 0; i < g->n_items && i < limit; i++)
		if (cost_value(&g->items[i].sums[0], cost))
			print_line(term, &g->items[i].sums[0], cost, total, g->items[i].name);
	if (g->n_items > limit)
		print_line(term, &rest, cost, total, more_text(more, g->n_items - limit));
	print_line(term, &all, cost, total, "total");
}

json_t *group_report_json(const struct group *group, enum cost cost)
{
	const struct profile_row *sums = &group->sums[0];
	json_t *item = json_object();
	json_object_set_new(item, "group", json_text(group->name));
	json_add_costs(item, sums, cost);
	return item;
}

/* --- leaks --- */

static void add_sum(struct leak_sum *to, const struct leak_sum *from)
{
	to->stacks += from->stacks;
	to->blocks += from->blocks;
	to->bytes += from->bytes;
}

/* Orders groups and their sums together: the sums lie by index. */
struct ordered {
	struct group group;
	struct leak_sum sums[LEAK_KINDS];
};

static int compare_leaks(const void *left, const void *right)
{
	const struct ordered *a = left, *b = right;
	bool other_a = !strcmp(a->group.name, GROUP_OTHER), other_b = !strcmp(b->group.name, GROUP_OTHER);
	if (other_a != other_b)
		return other_a ? 1 : -1;
	for (int kind = 0; kind < LEAK_KINDS; kind++)
		if (a->sums[kind].bytes != b->sums[kind].bytes)
			return a->sums[kind].bytes < b->sums[kind].bytes ? 1 : -1;
	return strcmp(a->group.name, b->group.name);
}

static int order_leaks(struct group_leaks *g)
{
	struct ordered *all = malloc((g->groups.n_items + 1) * sizeof(*all));
	if (!all)
		return -1;
	for (size_t i = 0; i < g->groups.n_items; i++) {
		all[i].group = g->groups.items[i];
		memcpy(all[i].sums, g->sums[i], sizeof(all[i].sums));
	}
	qsort(all, g->groups.n_items, sizeof(*all), compare_leaks);
	for (size_t i = 0; i < g->groups.n_items; i++) {
		g->groups.items[i] = all[i].group;
		memcpy(g->sums[i], all[i].sums, sizeof(all[i].sums));
	}
	free(all);
	return 0;
}

int group_leaks_collect(struct group_leaks *g, const struct stacks *stacks, const struct leaks *leaks, struct err *err)
{
	g->sums = calloc(leaks->n_items + 1, sizeof(*g->sums));
	if (!g->sums)
		return err_memory(err);
	for (size_t i = 0; i < leaks->n_items; i++) {
		const struct leak *leak = &leaks->items[i];
		size_t at = groups_add_row(&g->groups, stacks, leak->row);
		if (at == SIZE_MAX)
			return err_memory(err);
		struct leak_sum sum = {1, leak->row->sums[0].live_blocks, leak->row->sums[0].live_bytes};
		add_sum(&g->sums[at][leak->kind], &sum);
	}
	return order_leaks(g) < 0 ? err_memory(err) : 0;
}

void group_leaks_release(struct group_leaks *g)
{
	groups_release(&g->groups);
	free(g->sums);
	g->sums = NULL;
}

static void print_leak_sum(const struct term *term, const struct leak_sum *sums, bool with_runtime, const char *name)
{
	struct leak_sum sum = sums[LEAK_PROGRAM];
	char bytes[SIZE_TEXT_BYTES], blocks[SIZE_TEXT_BYTES];
	if (with_runtime)
		add_sum(&sum, &sums[LEAK_RUNTIME]);
	fprintf(term->out, "%12s %14s", size_text(bytes, sum.bytes), count_text(blocks, sum.blocks));
	print_name(term, name);
}

/* Groups without anything to show are left out: their blocks are the runtime's, or suppressed. */
static bool shown(const struct leak_sum *sums, bool with_runtime)
{
	return sums[LEAK_PROGRAM].blocks || (with_runtime && sums[LEAK_RUNTIME].blocks);
}

void group_leaks_print(const struct term *term, const struct group_leaks *g, bool with_runtime, size_t limit)
{
	struct leak_sum all[LEAK_KINDS] = {0}, rest[LEAK_KINDS] = {0};
	size_t n_shown = 0, n_more = 0;
	char more[64];
	fprintf(term->out, "%12s %14s  group\n", "alive", "blocks");
	for (size_t i = 0; i < g->groups.n_items; i++) {
		if (!shown(g->sums[i], with_runtime))
			continue;
		bool fits = n_shown < limit;
		if (fits)
			print_leak_sum(term, g->sums[i], with_runtime, g->groups.items[i].name);
		n_shown += fits;
		n_more += !fits;
		for (int kind = 0; kind < LEAK_KINDS; kind++) {
			add_sum(&all[kind], &g->sums[i][kind]);
			if (!fits)
				add_sum(&rest[kind], &g->sums[i][kind]);
		}
	}
	if (n_more)
		print_leak_sum(term, rest, with_runtime, more_text(more, n_more));
	print_leak_sum(term, all, with_runtime, "total");
	fputc('\n', term->out);
}

json_t *group_leaks_json(const struct group_leaks *g, size_t i)
{
	static const char *const keys[LEAK_KINDS][2] = {{"program_bytes", "program_blocks"},
	    {"runtime_bytes", "runtime_blocks"}, {"suppressed_bytes", "suppressed_blocks"}};
	const struct group *group = &g->groups.items[i];
	json_t *item = json_object();
	json_object_set_new(item, "group", json_text(group->name));
	json_object_set_new(item, "bytes", json_count(group->sums[0].live_bytes));
	json_object_set_new(item, "blocks", json_count(group->sums[0].live_blocks));
	for (int kind = 0; kind < LEAK_KINDS; kind++) {
		json_object_set_new(item, keys[kind][0], json_count(g->sums[i][kind].bytes));
		json_object_set_new(item, keys[kind][1], json_count(g->sums[i][kind].blocks));
	}
	return item;
}

/* --- diff --- */

static int64_t change_of(const struct profile_row sums[2], enum cost cost)
{
	return (int64_t)(cost_value(&sums[1], cost) - cost_value(&sums[0], cost));
}

static int compare_changes(const void *left, const void *right, void *arg)
{
	const struct group *a = left, *b = right;
	enum cost cost = *(const enum cost *)arg;
	int64_t x = change_of(a->sums, cost), y = change_of(b->sums, cost);
	if (x != y)
		return x < y ? 1 : -1;
	return strcmp(a->name, b->name);
}

void group_diff_sort(struct groups *g, enum cost cost)
{
	qsort_r(g->items, g->n_items, sizeof(*g->items), compare_changes, &cost);
}

static void print_change(const struct term *term, const struct profile_row sums[2], enum cost cost, const char *name)
{
	char before[SIZE_TEXT_BYTES], after[SIZE_TEXT_BYTES], change[SIZE_TEXT_BYTES];
	bool bytes = cost_is_bytes(cost);
	fprintf(term->out, "%14s %14s %14s", amount_text(before, cost_value(&sums[0], cost), bytes),
	    amount_text(after, cost_value(&sums[1], cost), bytes),
	    amount_delta_text(change, change_of(sums, cost), bytes));
	print_name(term, name);
}

void group_diff_print(const struct term *term, const struct groups *g, enum cost cost, size_t limit)
{
	struct profile_row all[2] = {{0}, {0}}, rest[2] = {{0}, {0}};
	char more[64];
	fprintf(term->out, "\n%14s %14s %14s  group, by %s\n", "before", "after", "change", cost_name(cost));
	for (size_t i = 0; i < g->n_items; i++) {
		if (i < limit)
			print_change(term, g->items[i].sums, cost, g->items[i].name);
		for (int side = 0; side < 2; side++) {
			profile_row_add(&all[side], &g->items[i].sums[side]);
			if (i >= limit)
				profile_row_add(&rest[side], &g->items[i].sums[side]);
		}
	}
	if (g->n_items > limit)
		print_change(term, rest, cost, more_text(more, g->n_items - limit));
	print_change(term, all, cost, "total");
}

json_t *group_diff_json(const struct group *group, enum cost cost)
{
	static const char *const keys[2][3] = {
	    {"before", "before_blocks", "before_allocations"}, {"after", "after_blocks", "after_allocations"}};
	json_t *item = json_object();
	json_object_set_new(item, "group", json_text(group->name));
	json_object_set_new(item, "change", json_integer(change_of(group->sums, cost)));
	for (int side = 0; side < 2; side++) {
		const struct profile_row *sums = &group->sums[side];
		json_object_set_new(item, keys[side][0], json_count(cost_value(sums, cost)));
		json_object_set_new(
		    item, keys[side][1], json_count(cost == COST_PEAK ? sums->peak_blocks : sums->live_blocks));
		json_object_set_new(item, keys[side][2], json_count(sums->allocations));
	}
	return item;
}
