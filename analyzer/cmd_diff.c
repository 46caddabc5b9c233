/* tidemark diff: what grew, by stack, between two recordings or between two instants of one. Enters: recordings.
 * Leaves: text or JSON. Stacks meet by the names of functions and modules, so that addresses, lines and builds do not
 * matter. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "group_report.h"
#include "report.h"

#define TEXT_STACKS 10
#define TEXT_GROUPS 30
#define SCHEMA "tidemark/diff/1"
#define BEFORE 0
#define AFTER 1

struct diff_row {
	const struct stack_row *row;
	int64_t delta; /* of the cost */
};

struct diff_report {
	struct report sides[2];
	bool instants; /* of one recording */
	struct stacks *stacks;
	struct groups groups;
	bool grouped;
	enum cost cost;
	struct diff_row *rows; /* those that differ: what grew most first, what shrank most last */
	size_t n_rows, n_grown;
};

static int compare_deltas(const void *left, const void *right)
{
	const struct diff_row *a = left, *b = right;
	if (a->delta != b->delta)
		return a->delta < b->delta ? 1 : -1;
	return a->row->node < b->row->node ? -1 : a->row->node > b->row->node;
}

static int64_t delta_of(uint64_t before, uint64_t after)
{
	return (int64_t)(after - before);
}

static int find_rows(struct diff_report *d, struct err *err)
{
	d->rows = calloc(d->stacks->n_rows + 1, sizeof(*d->rows));
	if (!d->rows)
		return err_memory(err);
	for (size_t i = 0; i < d->stacks->n_rows; i++) {
		const struct stack_row *row = &d->stacks->rows[i];
		int64_t delta =
		    delta_of(cost_value(&row->sums[BEFORE], d->cost), cost_value(&row->sums[AFTER], d->cost));
		if (delta)
			d->rows[d->n_rows++] = (struct diff_row){row, delta};
		d->n_grown += delta > 0;
	}
	qsort(d->rows, d->n_rows, sizeof(*d->rows), compare_deltas);
	return 0;
}

/* The totals that are compared, in the order they are printed. */
struct figure {
	const char *name; /* for people */
	const char *key;  /* in JSON */
	bool bytes;
	uint64_t values[2];
};

#define MAX_FIGURES 8

static size_t figures_of(const struct diff_report *d, struct figure figures[MAX_FIGURES])
{
	const struct profile_totals *a = &d->sides[BEFORE].profile->totals, *b = &d->sides[AFTER].profile->totals;
	const struct figure all[] = {
	    {d->instants ? "alive" : "alive at end", "leaked_bytes", true, {a->leaked_bytes, b->leaked_bytes}},
	    {"blocks", "leaked_blocks", false, {a->leaked_blocks, b->leaked_blocks}},
	    {"peak heap", "peak_heap_bytes", true, {a->peak_heap_bytes, b->peak_heap_bytes}},
	    {"peak RSS", "peak_rss_bytes", true, {a->peak_rss_bytes, b->peak_rss_bytes}},
	    {"allocations", "allocations", false, {a->allocations, b->allocations}},
	    {"allocated", "allocated_bytes", true, {a->allocated_bytes, b->allocated_bytes}},
	    {"temporary", "temporary_allocations", false, {a->temporary, b->temporary}},
	};
	size_t n = sizeof(all) / sizeof(all[0]);
	for (size_t i = 0; i < n; i++)
		figures[i] = all[i];
	return n;
}

/* --- text --- */

static void print_totals(const struct diff_report *d)
{
	struct figure figures[MAX_FIGURES];
	size_t n = figures_of(d, figures);
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], change[SIZE_TEXT_BYTES];
	printf("  %-14s %14s %14s %14s\n", "", "before", "after", "change");
	for (size_t i = 0; i < n; i++)
		printf("  %-14s %14s %14s %14s\n", figures[i].name,
		    amount_text(a, figures[i].values[0], figures[i].bytes),
		    amount_text(b, figures[i].values[1], figures[i].bytes),
		    amount_delta_text(change, delta_of(figures[i].values[0], figures[i].values[1]), figures[i].bytes));
}

static void print_row(const struct term *term, const struct diff_report *d, const struct diff_row *row)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, n = stacks_row_frames(d->stacks, row->row, &frames, &capacity);
	const struct profile_row *before = &row->row->sums[BEFORE], *after = &row->row->sums[AFTER];
	bool bytes = cost_is_bytes(d->cost);
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];
	printf("%s (%s to %s)", amount_delta_text(a, row->delta, bytes),
	    amount_text(b, cost_value(before, d->cost), bytes), amount_text(c, cost_value(after, d->cost), bytes));
	if (d->cost == COST_LEAKED)
		printf(" in %s to %s blocks", count_text(a, before->live_blocks), count_text(b, after->live_blocks));
	if (d->cost == COST_PEAK)
		printf(" in %s to %s blocks", count_text(a, before->peak_blocks), count_text(b, after->peak_blocks));
	if (d->cost == COST_ALLOCATED)
		printf(" in %s to %s calls", count_text(a, before->allocations), count_text(b, after->allocations));
	putchar('\n');
	term_stack(term, frames, n, 4, 0);
	putchar('\n');
	free(frames);
}

static void print_rows(const struct term *term, const struct diff_report *d)
{
	size_t n_shrunk = d->n_rows - d->n_grown;
	size_t grown = report_text_limit(d->sides[0].options, d->n_grown, TEXT_STACKS);
	size_t shrunk = report_text_limit(d->sides[0].options, n_shrunk, TEXT_STACKS);
	if (!d->n_rows)
		puts("\nNo stack differs.");
	if (grown)
		printf("\nGrew, by %s:\n\n", cost_name(d->cost));
	for (size_t i = 0; i < grown; i++)
		print_row(term, d, &d->rows[i]);
	if (grown < d->n_grown)
		printf("... and %zu more that grew; --limit 0 shows all\n\n", d->n_grown - grown);
	if (shrunk)
		printf("%sShrank, by %s:\n\n", grown ? "" : "\n", cost_name(d->cost));
	for (size_t i = 0; i < shrunk; i++)
		print_row(term, d, &d->rows[d->n_rows - 1 - i]);
	if (shrunk < n_shrunk)
		printf("... and %zu more that shrank; --limit 0 shows all\n", n_shrunk - shrunk);
}

static void print_text(const struct diff_report *d)
{
	struct term term;
	char title[256];
	term_init(&term, stdout);
	report_print_warnings(&term, &d->sides[AFTER]);
	if (!d->instants)
		report_print_warnings(&term, &d->sides[BEFORE]);
	for (int side = BEFORE; side <= AFTER; side++) {
		const struct report_options *o = d->sides[side].options;
		fputs(side == BEFORE ? "before: " : "after:  ", stdout);
		term_text(&term, report_title(&d->sides[side], title, sizeof(title)), 200);
		const char *instant = side == BEFORE ? o->from ? o->from : "start" : o->to ? o->to : "end";
		printf(
		    ", %s%s\n", d->instants ? "at " : "", d->instants ? instant : d->sides[side].profile->trace->path);
	}
	putchar('\n');
	print_totals(d);
	if (d->grouped)
		group_diff_print(
		    &term, &d->groups, d->cost, report_text_limit(d->sides[0].options, d->groups.n_items, TEXT_GROUPS));
	else
		print_rows(&term, d);
}

/* --- JSON --- */

static json_t *json_side(const struct diff_report *d, int side)
{
	struct figure figures[MAX_FIGURES];
	size_t n = figures_of(d, figures);
	json_t *object = report_json_head(&d->sides[side], SCHEMA);
	json_object_del(object, "schema");
	json_object_set_new(object, "time", json_seconds(d->sides[side].profile->totals.end_tick));
	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, figures[i].key, json_count(figures[i].values[side]));
	return object;
}

static json_t *json_change(const struct diff_report *d)
{
	struct figure figures[MAX_FIGURES];
	size_t n = figures_of(d, figures);
	json_t *object = json_object();
	for (size_t i = 0; i < n; i++)
		json_object_set_new(
		    object, figures[i].key, json_integer(delta_of(figures[i].values[0], figures[i].values[1])));
	return object;
}

static json_t *json_row(
    const struct diff_report *d, const struct diff_row *row, const struct frame_view ***frames, size_t *capacity)
{
	static const char *const keys[2][3] = {
	    {"before", "before_blocks", "before_allocations"}, {"after", "after_blocks", "after_allocations"}};
	size_t n = stacks_row_frames(d->stacks, row->row, frames, capacity);
	json_t *item = json_object();
	json_object_set_new(item, "change", json_integer(row->delta));
	for (int side = BEFORE; side <= AFTER; side++) {
		const struct profile_row *sums = &row->row->sums[side];
		uint64_t blocks = d->cost == COST_PEAK ? sums->peak_blocks : sums->live_blocks;
		json_object_set_new(item, keys[side][0], json_count(cost_value(sums, d->cost)));
		json_object_set_new(item, keys[side][1], json_count(blocks));
		json_object_set_new(item, keys[side][2], json_count(sums->allocations));
	}
	json_object_set_new(item, "frames", json_frames(*frames, n));
	return item;
}

static void write_stacks(struct json_out *out, const struct diff_report *d)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, n = report_json_limit(d->sides[0].options, d->n_rows);
	json_list(out, "stacks");
	for (size_t i = 0; i < n; i++)
		json_element(out, json_row(d, &d->rows[i], &frames, &capacity));
	json_list_end(out);
	free(frames);
}

static void write_groups(struct json_out *out, const struct diff_report *d)
{
	json_list(out, "groups");
	for (size_t i = 0; i < d->groups.n_items; i++)
		json_element(out, group_diff_json(&d->groups.items[i], d->cost));
	json_list_end(out);
}

static int write_json(const struct diff_report *d, struct err *err)
{
	struct json_out out;
	int result = json_open(&out, d->sides[0].options->json, err);
	if (result < 0)
		return result;
	json_t *head = json_object();
	bool whole = d->sides[BEFORE].profile->trace->complete && d->sides[AFTER].profile->trace->complete;
	json_object_set_new(head, "schema", json_string(SCHEMA));
	json_object_set_new(head, "complete", json_boolean(whole));
	json_object_set_new(head, "cost", json_string(cost_name(d->cost)));
	json_object_set_new(head, "unit", json_string(cost_is_bytes(d->cost) ? "bytes" : "allocations"));
	json_object_set_new(head, "before", json_side(d, BEFORE));
	json_object_set_new(head, "after", json_side(d, AFTER));
	json_object_set_new(head, "change", json_change(d));
	if (d->grouped)
		json_object_set_new(head, "group_rules", report_group_rules(d->sides[0].options));
	json_begin(&out);
	json_head(&out, head);
	if (d->grouped)
		write_groups(&out, d);
	else
		write_stacks(&out, d);
	json_end(&out);
	return json_close(&out, err);
}

/* --- the command --- */

/* The side's part of its recording: all of it, or all up to an instant. */
static int open_side(struct diff_report *d, int side, const char *path, const struct report_options *o, struct err *err)
{
	struct report_window window = {.whole_live = true, .by_thread = groups_need_threads(&d->groups)};
	/* "start" could be the name of a mark; an end that is left out is none. */
	if (d->instants)
		window.to = side == BEFORE ? (o->from ? o->from : "0%") : o->to;
	return report_open(&d->sides[side], path, o, &window, side == BEFORE ? NULL : d->sides[BEFORE].resolver, err);
}

/* What is shown of a stack that both sides have comes from the side that is added first: the newer one. */
static int compare(struct diff_report *d, char **paths, const struct report_options *o, struct err *err)
{
	int result = report_cost(o, &d->cost, err);
	d->grouped = o->group_rules.n_items > 0;
	if (!result)
		result = report_groups(o, &d->groups, err);
	for (int side = BEFORE; side <= AFTER && !result; side++)
		result = open_side(d, side, paths[d->instants ? 0 : side], o, err);
	if (!result)
		result = stacks_new(&d->stacks, STACKS_PORTABLE, err);
	for (int side = AFTER; side >= BEFORE && !result; side--)
		result = report_stacks(&d->sides[side], d->stacks, (unsigned)side, err);
	if (!result)
		result = report_drop_suppressed(&d->sides[AFTER], d->stacks, err);
	if (!result && d->grouped) {
		result = groups_add(&d->groups, d->stacks, err);
		group_diff_sort(&d->groups, d->cost);
	}
	return result ? result : find_rows(d, err);
}

static int run(struct diff_report *d, char **paths, const struct report_options *o, struct err *err)
{
	int result = compare(d, paths, o, err);
	if (!result && o->json)
		result = write_json(d, err);
	if (!result && (!o->json || *o->json))
		print_text(d);
	int status = result < 0 ? say_err(err) : CMD_OK;
	for (int side = BEFORE; side <= AFTER && status == CMD_OK; side++)
		status = report_status(&d->sides[side]);
	free(d->rows);
	groups_release(&d->groups);
	stacks_free(d->stacks);
	report_close(&d->sides[AFTER]);
	report_close(&d->sides[BEFORE]);
	return status;
}

static int check_operands(struct diff_report *d, int n, const struct report_options *o, struct err *err)
{
	d->instants = o->from || o->to;
	if (n == 1 && !d->instants)
		return err_set(
		    err, TIDEMARK_ERR_USAGE, "one recording alone needs --from or --to; see tidemark diff --help");
	if (n == 2 && d->instants)
		return err_set(err, TIDEMARK_ERR_USAGE, "--from and --to go with one recording, not two");
	if (n < 1 || n > 2)
		return err_set(err, TIDEMARK_ERR_USAGE,
		    "name two recordings, or one with --from and --to; see tidemark diff --help");
	return 0;
}

int cmd_diff(int argc, char **argv)
{
	struct report_options o = {.limit = REPORT_NO_LIMIT, .cost_name = "leaked"};
	struct diff_report d = {0};
	const struct option options[] = {REPORT_OPTIONS_COST(o), REPORT_OPTIONS_GROUP(o), REPORT_OPTIONS_LIMIT(o),
	    REPORT_OPTIONS_WINDOW(o), REPORT_OPTIONS_SUPPRESS(o), REPORT_OPTIONS_SYMBOLS(o), REPORT_OPTIONS_COMMON(o),
	    REPORT_OPTIONS_END};
	const struct option_table table = {"diff [OPTION...] BEFORE AFTER | diff [OPTION...] --from T --to T FILE",
	    "Show what grew, by stack, between two recordings or between two instants of one.", options, false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n >= 0 && !check_operands(&d, n, &o, &err))
		status = run(&d, argv + 1, &o, &err);
	else if (n != OPTION_HELP_SHOWN)
		status = say_err(&err);
	report_options_release(&o);
	return status;
}
