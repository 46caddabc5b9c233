/* tidemark folded: stacks for flame graphs, one a line. Enters: a recording. Leaves: folded stacks on stdout (or JSON);
 * what is wrong with the recording goes to stderr, so that the output can be piped. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/say.h"
#include "cmd.h"
#include "render/folded.h"
#include "report.h"

#define SCHEMA "tidemark/folded/1"

struct folded_report {
	struct report report;
	struct stacks *stacks;
	enum cost cost;
	bool offsets;
};

static int print_text(const struct folded_report *f, struct err *err)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0;
	struct folded folded = {.out = stdout, .offsets = f->offsets, .stacks = f->stacks};
	int result = 0;
	size_t limit = report_json_limit(f->report.options, f->stacks->n_rows);
	for (size_t i = 0; i < limit && !result; i++) {
		const struct stack_row *row = &f->stacks->rows[i];
		uint64_t value = cost_value(&row->sums[0], f->cost);
		if (!value)
			break;
		size_t n = stacks_frames(f->stacks, row->node, &frames, &capacity);
		result = folded_line(&folded, frames, n, value);
	}
	free(frames);
	folded_release(&folded);
	return result ? err_memory(err) : 0;
}

/* One stack: its names as the folded text has them, root first. */
static json_t *json_row(const struct folded_report *f, const struct stack_row *row, struct folded *names,
    const struct frame_view *const *frames, size_t n)
{
	json_t *list = json_array();
	for (size_t i = n; i-- > 0;) {
		names->length = 0;
		if (!folded_name(names, frames[i]))
			json_array_append_new(list, json_text(names->line));
	}
	json_t *item = json_object();
	json_object_set_new(item, "value", json_count(cost_value(&row->sums[0], f->cost)));
	json_object_set_new(item, "frames", list);
	return item;
}

static int write_json(const struct folded_report *f, struct err *err)
{
	struct json_out out;
	const struct frame_view **frames = NULL;
	size_t capacity = 0, limit = report_json_limit(f->report.options, f->stacks->n_rows);
	struct folded names = {.offsets = f->offsets};
	int result = json_open(&out, f->report.options->json, err);
	if (result < 0)
		return result;
	json_t *head = report_json_head(&f->report, SCHEMA);
	json_object_set_new(head, "cost", json_string(cost_name(f->cost)));
	json_object_set_new(head, "unit", json_string(cost_is_bytes(f->cost) ? "bytes" : "allocations"));
	json_begin(&out);
	json_head(&out, head);
	json_list(&out, "stacks");
	for (size_t i = 0; i < limit; i++) {
		const struct stack_row *row = &f->stacks->rows[i];
		if (!cost_value(&row->sums[0], f->cost))
			break;
		size_t n = stacks_frames(f->stacks, row->node, &frames, &capacity);
		json_element(&out, json_row(f, row, &names, frames, n));
	}
	json_list_end(&out);
	json_end(&out);
	free(frames);
	folded_release(&names);
	return json_close(&out, err);
}

/* Suppressions may name files and modules, which the shorter keys do not tell apart. */
static enum stacks_key key_of(const struct folded_report *f, const struct report_options *options)
{
	if (options->suppression_files.n_items)
		return STACKS_EXACT;
	return f->offsets ? STACKS_OFFSETS : STACKS_NAMES;
}

static int run(struct folded_report *f, const char *path, const struct report_options *options, struct err *err)
{
	struct report_window window = {.from = options->from, .to = options->to};
	int result = report_cost(options, &f->cost, err);
	if (!result)
		result = report_open(&f->report, path, options, &window, NULL, err);
	if (!result)
		result = stacks_new(&f->stacks, key_of(f, options), err);
	if (!result)
		result = report_stacks(&f->report, f->stacks, 0, err);
	if (!result)
		result = report_drop_suppressed(&f->report, f->stacks, err);
	if (!result) {
		report_say_warnings(&f->report);
		stacks_sort(f->stacks, f->cost);
	}
	if (!result && options->json)
		result = write_json(f, err);
	if (!result && (!options->json || *options->json))
		result = print_text(f, err);
	int status = result < 0 ? say_err(err) : report_status(&f->report);
	stacks_free(f->stacks);
	report_close(&f->report);
	return status;
}

int cmd_folded(int argc, char **argv)
{
	struct report_options o = {.limit = REPORT_NO_LIMIT, .cost_name = "peak"};
	struct folded_report f = {0};
	const struct option options[] = {REPORT_OPTIONS_COST(o), REPORT_OPTIONS_WINDOW(o),
	    {"offsets", 0, OPTION_FLAG, &f.offsets, NULL, "name unknown functions module+0xoffset instead of [module]",
	        0, 0},
	    REPORT_OPTIONS_LIMIT(o), REPORT_OPTIONS_SUPPRESS(o), REPORT_OPTIONS_SYMBOLS(o), REPORT_OPTIONS_COMMON(o),
	    REPORT_OPTIONS_END};
	const struct option_table table = {"folded [OPTION...] FILE",
	    "Print folded stacks for flamegraph.pl, inferno or speedscope; by default of the heap's peak.", options,
	    false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n >= 0 && !report_operands(n, 1, "folded", &err))
		status = run(&f, argv[1], &o, &err);
	else if (n != OPTION_HELP_SHOWN)
		status = say_err(&err);
	report_options_release(&o);
	return status;
}
