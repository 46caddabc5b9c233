/* Operations by group: see op_groups.h. */
#include "op_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/size.h"

#define TEXT_GROUPS 30

struct op_sum {
	const char *group;
	double bytes_per_100, blocks_per_100;
	uint64_t bytes, blocks;
};

struct op_sums_by_group {
	struct groups groups;
	struct op_sum *sums; /* by group, until they are sorted */
	size_t sums_capacity;
};

/* Largest first, other last. */
static int compare(const void *left, const void *right)
{
	const struct op_sum *a = left, *b = right;
	bool other_a = !strcmp(a->group, GROUP_OTHER), other_b = !strcmp(b->group, GROUP_OTHER);
	if (other_a != other_b)
		return other_a ? 1 : -1;
	if (a->bytes_per_100 != b->bytes_per_100)
		return a->bytes_per_100 < b->bytes_per_100 ? 1 : -1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return strcmp(a->group, b->group);
}

static const char *thread_name(const struct op_report *r, const struct op_share *share)
{
	const struct trace *trace = r->operations->traces[share->file];
	return trace->strings[trace->threads[share->thread].name];
}

static int add_share(struct op_sums_by_group *g, size_t at, const struct op_stack *stack, const struct op_share *share)
{
	if (at == SIZE_MAX || ARRAY_RESERVE(g->sums, g->sums_capacity, at + 1) < 0)
		return -1;
	struct op_sum *sum = &g->sums[at];
	sum->group = g->groups.items[at].name;
	sum->bytes += share->bytes;
	sum->blocks += share->blocks;
	if (stack->bytes)
		sum->bytes_per_100 += stack->bytes_per_100 * (double)share->bytes / (double)stack->bytes;
	if (stack->blocks)
		sum->blocks_per_100 += stack->blocks_per_100 * (double)share->blocks / (double)stack->blocks;
	return 0;
}

/* A rate is that of a stack over all threads: each has the part of it that it has of what the stack left. */
static int add_stack(struct op_sums_by_group *g, struct op_report *r, const struct op_stack *stack)
{
	const struct frame_view **frames = NULL;
	size_t n = op_report_frames(r, stack, &frames);
	struct op_share all = {.bytes = stack->bytes, .blocks = stack->blocks};
	if (!stack->n_shares)
		return add_share(g, groups_find(&g->groups, frames, n, ""), stack, &all);
	for (size_t i = 0; i < stack->n_shares; i++) {
		const struct op_share *share = &stack->shares[i];
		if (add_share(g, groups_find(&g->groups, frames, n, thread_name(r, share)), stack, share) < 0)
			return -1;
	}
	return 0;
}

static void release(struct op_sums_by_group *g)
{
	groups_release(&g->groups);
	free(g->sums);
}

static int collect(struct op_sums_by_group *g, struct op_report *r, const struct op_entry *e, struct err *err)
{
	*g = (struct op_sums_by_group){0};
	int result = report_groups(r->options, &g->groups, err);
	if (result < 0)
		return result;
	for (size_t i = 0; i < e->n_stacks && !result; i++)
		if (!e->stacks[i].suppressed)
			result = add_stack(g, r, &e->stacks[i]);
	if (!result && g->sums)
		qsort(g->sums, g->groups.n_items, sizeof(*g->sums), compare);
	if (result)
		release(g);
	return result < 0 ? err_memory(err) : 0;
}

static const char *rate_text_of(char text[SIZE_TEXT_BYTES], double bytes)
{
	return size_text(text, bytes > 0 ? (uint64_t)(bytes + 0.5) : 0);
}

static void print_line(const struct term *term, const struct op_sum *sum, const char *name)
{
	char rate[SIZE_TEXT_BYTES], bytes[SIZE_TEXT_BYTES];
	fprintf(term->out, "%14s %14.1f %14s  ", rate_text_of(rate, sum->bytes_per_100), sum->blocks_per_100,
	    size_text(bytes, sum->bytes));
	term_text(term, name, 100);
	fputc('\n', term->out);
}

static void add(struct op_sum *to, const struct op_sum *from)
{
	to->bytes_per_100 += from->bytes_per_100;
	to->blocks_per_100 += from->blocks_per_100;
	to->bytes += from->bytes;
	to->blocks += from->blocks;
}

int op_groups_print(const struct term *term, struct op_report *r, const struct op_entry *e, struct err *err)
{
	struct op_sums_by_group g;
	struct op_sum all = {0}, rest = {0};
	char more[64];
	int result = collect(&g, r, e, err);
	if (result < 0)
		return result;
	size_t n = g.groups.n_items, shown = report_text_limit(r->options, n, TEXT_GROUPS);
	fprintf(term->out, "%14s %14s %14s  group\n", "left per 100", "blocks per 100", "alive");
	for (size_t i = 0; i < n; i++) {
		if (i < shown)
			print_line(term, &g.sums[i], g.sums[i].group);
		else
			add(&rest, &g.sums[i]);
		add(&all, &g.sums[i]);
	}
	if (shown < n) {
		snprintf(more, sizeof(more), "(%zu more; --limit 0 shows all)", n - shown);
		print_line(term, &rest, more);
	}
	print_line(term, &all, "total");
	fputc('\n', term->out);
	release(&g);
	return 0;
}

json_t *op_groups_json(struct op_report *r, const struct op_entry *e)
{
	struct op_sums_by_group g;
	if (collect(&g, r, e, NULL) < 0)
		return NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < g.groups.n_items; i++) {
		json_t *item = json_object();
		json_object_set_new(item, "group", json_text(g.sums[i].group));
		json_object_set_new(item, "bytes_per_100", json_real(g.sums[i].bytes_per_100));
		json_object_set_new(item, "blocks_per_100", json_real(g.sums[i].blocks_per_100));
		json_object_set_new(item, "bytes", json_count(g.sums[i].bytes));
		json_object_set_new(item, "blocks", json_count(g.sums[i].blocks));
		json_array_append_new(list, item);
	}
	release(&g);
	return list;
}
