/* tidemark top: the stacks that cost most. Enters: a recording. Leaves: text or JSON; docs/metrics.md defines the
 * costs, docs/json.md the keys. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "group_report.h"
#include "report.h"

#define TEXT_STACKS 10
#define TEXT_GROUPS 30
#define SCHEMA "tidemark/top/1"

struct top_report {
	struct report report;
	struct stacks *stacks;
	struct groups groups;
	bool grouped;
	enum cost cost;
	size_t n_rows; /* with a cost that is not 0 */
	uint64_t total;
};

static void count_rows(struct top_report *top)
{
	for (size_t i = 0; i < top->stacks->n_rows; i++) {
		uint64_t value = cost_value(&top->stacks->rows[i].sums[0], top->cost);
		top->n_rows += value != 0;
		top->total += value;
	}
}

/* --- text --- */

static void print_headline(FILE *out, const struct top_report *top, const struct profile_row *row)
{
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];
	uint64_t value = cost_value(row, top->cost);
	double percent = top->total ? 100.0 * (double)value / (double)top->total : 0;
	fprintf(out, "%s (%.1f %%) ", amount_text(a, value, cost_is_bytes(top->cost)), percent);
	switch (top->cost) {
	case COST_LEAKED:
		fprintf(out, "leaked in %s block%s, of %s allocated\n", count_text(b, row->live_blocks),
		    plural(row->live_blocks), count_text(c, row->allocations));
		break;
	case COST_PEAK:
		fprintf(out, "alive at the peak in %s block%s\n", count_text(b, row->peak_blocks),
		    plural(row->peak_blocks));
		break;
	case COST_ALLOCATED:
		fprintf(out, "in %s allocation%s\n", count_text(b, row->allocations), plural(row->allocations));
		break;
	case COST_ALLOCATIONS:
		fprintf(out, "allocation%s, %s in all\n", plural(row->allocations), size_text(b, row->allocated_bytes));
		break;
	case COST_TEMPORARY:
		fprintf(
		    out, "temporary, of %s allocation%s\n", count_text(b, row->allocations), plural(row->allocations));
		break;
	case COST_COUNT:
		break;
	}
}

static void print_stacks(const struct term *term, const struct top_report *top)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, shown = report_text_limit(top->report.options, top->n_rows, TEXT_STACKS);
	for (size_t i = 0; i < shown; i++) {
		const struct stack_row *row = &top->stacks->rows[i];
		print_headline(stdout, top, &row->sums[0]);
		size_t n = stacks_frames(top->stacks, row->node, &frames, &capacity);
		term_stack(term, frames, n, 4, 0);
		putchar('\n');
	}
	if (shown < top->n_rows)
		printf("... and %zu more stack%s; --limit 0 shows all\n", top->n_rows - shown,
		    plural(top->n_rows - shown));
	free(frames);
}

static void print_text(const struct top_report *top)
{
	static const char *const what[COST_COUNT] = {"alive at the end", "alive when the heap was largest", "allocated",
	    "allocations", "temporary allocations, freed by their thread before its next one"};
	struct term term;
	char title[256], total[SIZE_TEXT_BYTES];
	term_init(&term, stdout);
	report_print_warnings(&term, &top->report);
	term_text(&term, report_title(&top->report, title, sizeof(title)), 200);
	printf(": %s %s, by %s\n\n", amount_text(total, top->total, cost_is_bytes(top->cost)), what[top->cost],
	    top->grouped ? "group" : "stack");
	if (top->grouped)
		group_report_print(&term, &top->groups, top->cost,
		    report_text_limit(top->report.options, top->groups.n_items, TEXT_GROUPS));
	else
		print_stacks(&term, top);
}

/* --- JSON --- */

static json_t *json_row(
    const struct top_report *top, const struct stack_row *row, const struct frame_view ***frames, size_t *capacity)
{
	const struct profile_row *sums = &row->sums[0];
	size_t n = stacks_frames(top->stacks, row->node, frames, capacity);
	json_t *item = json_object();
	json_add_costs(item, sums, top->cost);
	json_object_set_new(item, "frames", json_frames(*frames, n));
	return item;
}

static void write_stacks(struct json_out *out, const struct top_report *top)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, n = report_json_limit(top->report.options, top->n_rows);
	json_list(out, "stacks");
	for (size_t i = 0; i < n; i++)
		json_element(out, json_row(top, &top->stacks->rows[i], &frames, &capacity));
	json_list_end(out);
	free(frames);
}

/* All of them, whatever the limit: their sum is the total. */
static void write_groups(struct json_out *out, const struct top_report *top)
{
	json_list(out, "groups");
	for (size_t i = 0; i < top->groups.n_items; i++)
		json_element(out, group_report_json(&top->groups.items[i], top->cost));
	json_list_end(out);
}

static int write_json(const struct top_report *top, struct err *err)
{
	struct json_out out;
	int result = json_open(&out, top->report.options->json, err);
	if (result < 0)
		return result;
	json_t *head = report_json_head(&top->report, SCHEMA);
	json_object_set_new(head, "cost", json_string(cost_name(top->cost)));
	json_object_set_new(head, "unit", json_string(cost_is_bytes(top->cost) ? "bytes" : "allocations"));
	json_object_set_new(head, "total", json_count(top->total));
	if (top->grouped)
		json_object_set_new(head, "group_rules", report_group_rules(top->report.options));
	json_begin(&out);
	json_head(&out, head);
	if (top->grouped)
		write_groups(&out, top);
	else
		write_stacks(&out, top);
	json_end(&out);
	return json_close(&out, err);
}

/* --- the command --- */

static int run(struct top_report *top, const char *path, const struct report_options *options, struct err *err)
{
	struct report_window window = {.from = options->from, .to = options->to};
	int result = report_cost(options, &top->cost, err);
	top->grouped = options->group_rules.n_items > 0;
	if (!result)
		result = report_groups(options, &top->groups, err);
	window.by_thread = groups_need_threads(&top->groups);
	if (!result)
		result = report_open(&top->report, path, options, &window, NULL, err);
	if (!result)
		result = stacks_new(&top->stacks, STACKS_EXACT, err);
	if (!result)
		result = report_stacks(&top->report, top->stacks, 0, err);
	if (!result)
		result = report_drop_suppressed(&top->report, top->stacks, err);
	if (!result) {
		stacks_sort(top->stacks, top->cost);
		count_rows(top);
	}
	if (!result && top->grouped) {
		result = groups_add(&top->groups, top->stacks, err);
		groups_sort(&top->groups, top->cost);
	}
	if (!result && options->json)
		result = write_json(top, err);
	if (!result && (!options->json || *options->json))
		print_text(top);
	int status = result < 0 ? say_err(err) : report_status(&top->report);
	groups_release(&top->groups);
	stacks_free(top->stacks);
	report_close(&top->report);
	return status;
}

int cmd_top(int argc, char **argv)
{
	struct report_options o = {.limit = REPORT_NO_LIMIT, .cost_name = "peak"};
	struct top_report top = {0};
	const struct option options[] = {REPORT_OPTIONS_COST(o), REPORT_OPTIONS_GROUP(o), REPORT_OPTIONS_LIMIT(o),
	    REPORT_OPTIONS_WINDOW(o), REPORT_OPTIONS_SUPPRESS(o), REPORT_OPTIONS_SYMBOLS(o), REPORT_OPTIONS_COMMON(o),
	    REPORT_OPTIONS_END};
	const struct option_table table = {
	    "top [OPTION...] FILE", "Show the stacks that cost most; by default at the heap's peak.", options, false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n >= 0 && !report_operands(n, 1, "top", &err))
		status = run(&top, argv[1], &o, &err);
	else if (n != OPTION_HELP_SHOWN)
		status = say_err(&err);
	report_options_release(&o);
	return status;
}
