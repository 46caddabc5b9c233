/* tidemark leaks: blocks alive at the end, by stack. Enters: a recording. Leaves: text or JSON; docs/metrics.md defines
 * the figures, docs/json.md the keys. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "group_report.h"
#include "report.h"

#define TEXT_STACKS 20
#define TEXT_GROUPS 30
#define SCHEMA "tidemark/leaks/1"

struct leaks_report {
	struct report report;
	struct stacks *stacks;
	struct suppressions suppressions;
	struct leaks leaks;
	struct group_leaks groups;
	bool grouped;
	bool with_runtime; /* list the runtime's blocks too */
};

/* --- text --- */

static void print_leak(const struct term *term, const struct leaks_report *l, const struct leak *leak,
    const struct frame_view ***frames, size_t *capacity)
{
	const struct profile_row *sums = &leak->row->sums[0];
	char bytes[SIZE_TEXT_BYTES], blocks[SIZE_TEXT_BYTES], born[SIZE_TEXT_BYTES], all[SIZE_TEXT_BYTES];
	size_t n = stacks_frames(l->stacks, leak->row->node, frames, capacity);
	fprintf(term->out, "%s in %s block%s, of %s allocated (%s)%s\n", size_text(bytes, sums->live_bytes),
	    count_text(blocks, sums->live_blocks), plural(sums->live_blocks), count_text(born, sums->allocations),
	    size_text(all, sums->allocated_bytes), leak->kind == LEAK_RUNTIME ? ", runtime's own" : "");
	term_stack(term, *frames, n, 4, 0);
	fputc('\n', term->out);
}

static void print_kind(const struct term *term, const struct leaks_report *l, enum leak_kind kind)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, seen = 0;
	size_t all = l->leaks.sums[kind].stacks, shown = report_text_limit(l->report.options, all, TEXT_STACKS);
	for (size_t i = 0; i < l->leaks.n_items && seen < shown; i++)
		if (l->leaks.items[i].kind == kind) {
			print_leak(term, l, &l->leaks.items[i], &frames, &capacity);
			seen++;
		}
	if (shown < all)
		fprintf(
		    term->out, "... and %zu more stack%s; --limit 0 shows all\n\n", all - shown, plural(all - shown));
	free(frames);
}

static void print_sum(const struct term *term, const char *name, const struct leak_sum *sum, const char *remark)
{
	char bytes[SIZE_TEXT_BYTES], blocks[SIZE_TEXT_BYTES];
	fprintf(term->out, "%-12s %10s in %s block%s%s\n", name, size_text(bytes, sum->bytes),
	    count_text(blocks, sum->blocks), plural(sum->blocks), remark);
}

/* Whose a suppression is and how long it holds, after its pattern. */
static void print_origin(const struct term *term, const struct suppression *s)
{
	fprintf(term->out, " (%s", s->source);
	if (s->owner) {
		fputs(", owner ", term->out);
		term_text(term, s->owner, 60);
	}
	if (s->until[0])
		fprintf(term->out, ", %s %s", suppression_expired(s, time(NULL)) ? "EXPIRED on" : "until", s->until);
	fputs(")\n", term->out);
}

static void print_suppressions(const struct term *term, const struct leaks_report *l)
{
	size_t n_unused = 0;
	for (size_t i = 0; i < l->suppressions.n_items; i++) {
		const struct suppression *s = &l->suppressions.items[i];
		char bytes[SIZE_TEXT_BYTES];
		if (s->stacks) {
			fprintf(term->out, "%12s %10s in %" PRIu64 " block%s by leak:", "", size_text(bytes, s->bytes),
			    s->blocks, plural(s->blocks));
			term_text(term, s->pattern, 120);
			print_origin(term, s);
		} else if (strcmp(s->source, "built-in") != 0) {
			n_unused++;
		}
	}
	if (!n_unused)
		return;
	fprintf(term->out, "\nsuppressions that matched nothing:\n");
	for (size_t i = 0; i < l->suppressions.n_items; i++) {
		const struct suppression *s = &l->suppressions.items[i];
		if (s->stacks || !strcmp(s->source, "built-in"))
			continue;
		fputs("    leak:", term->out);
		term_text(term, s->pattern, 120);
		print_origin(term, s);
	}
}

static void print_text(const struct leaks_report *l)
{
	struct term term;
	char title[256];
	const struct report_options *options = l->report.options;
	const struct leak_sum *sums = l->leaks.sums;
	bool window = options->from || options->to;
	term_init(&term, stdout);
	report_print_warnings(&term, &l->report);
	term_text(&term, report_title(&l->report, title, sizeof(title)), 200);
	fputs(window ? ": blocks born in the window and alive at its end\n" : ": blocks alive at the end\n", stdout);
	if (l->report.profile->trace->counters[TIDEMARK_COUNTER_END_REASON] == TIDEMARK_END_EXEC && !options->to &&
	    l->report.profile->totals.leaked_blocks)
		fputs("the process ended by exec, which took these blocks with it: few programs free theirs before\n",
		    stdout);
	report_print_others(&term, &l->report);
	putchar('\n');
	if (l->grouped)
		group_leaks_print(&term, &l->groups, l->with_runtime,
		    report_text_limit(options, l->groups.groups.n_items, TEXT_GROUPS));
	else
		print_kind(&term, l, LEAK_PROGRAM);
	if (l->with_runtime && !l->grouped)
		print_kind(&term, l, LEAK_RUNTIME);
	struct leak_sum all = {0};
	for (int kind = 0; kind < LEAK_KINDS; kind++) {
		all.blocks += sums[kind].blocks;
		all.bytes += sums[kind].bytes;
	}
	print_sum(&term, "alive", &all, ", of which");
	print_sum(&term, "  program", &sums[LEAK_PROGRAM], "");
	print_sum(&term, "  runtime", &sums[LEAK_RUNTIME],
	    l->with_runtime || !sums[LEAK_RUNTIME].blocks ? ": libc's and the loader's own"
	                                                  : ": libc's and the loader's own; --runtime lists them");
	print_sum(&term, "  suppressed", &sums[LEAK_SUPPRESSED], "");
	print_suppressions(&term, l);
}

/* --- JSON --- */

static json_t *json_leak(
    const struct leaks_report *l, const struct leak *leak, const struct frame_view ***frames, size_t *capacity)
{
	const struct profile_row *sums = &leak->row->sums[0];
	size_t n = stacks_frames(l->stacks, leak->row->node, frames, capacity);
	json_t *item = json_object();
	json_object_set_new(item, "bytes", json_count(sums->live_bytes));
	json_object_set_new(item, "blocks", json_count(sums->live_blocks));
	json_object_set_new(item, "allocations", json_count(sums->allocations));
	json_object_set_new(item, "allocated_bytes", json_count(sums->allocated_bytes));
	json_object_set_new(item, "runtime", json_boolean(leak->kind == LEAK_RUNTIME));
	json_object_set_new(item, "frames", json_frames(*frames, n));
	return item;
}

static void write_stacks(struct json_out *out, const struct leaks_report *l)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, written = 0;
	size_t limit = report_json_limit(l->report.options, l->leaks.n_items);
	for (int kind = LEAK_PROGRAM; kind <= LEAK_RUNTIME; kind++)
		for (size_t i = 0; i < l->leaks.n_items && written < limit; i++)
			if ((int)l->leaks.items[i].kind == kind) {
				json_element(out, json_leak(l, &l->leaks.items[i], &frames, &capacity));
				written++;
			}
	free(frames);
}

static json_t *json_suppression(const struct suppression *s)
{
	json_t *item = json_object();
	json_object_set_new(item, "pattern", json_text(s->pattern));
	json_object_set_new(item, "source", json_text(s->source));
	json_object_set_new(item, "owner", s->owner ? json_text(s->owner) : json_null());
	json_object_set_new(item, "until", s->until[0] ? json_string(s->until) : json_null());
	json_object_set_new(item, "expired", json_boolean(suppression_expired(s, time(NULL))));
	json_object_set_new(item, "stacks", json_count(s->stacks));
	json_object_set_new(item, "blocks", json_count(s->blocks));
	json_object_set_new(item, "bytes", json_count(s->bytes));
	return item;
}

static json_t *json_totals(const struct leaks_report *l)
{
	static const char *const names[LEAK_KINDS][3] = {{"program_bytes", "program_blocks", "program_stacks"},
	    {"runtime_bytes", "runtime_blocks", "runtime_stacks"},
	    {"suppressed_bytes", "suppressed_blocks", "suppressed_stacks"}};
	json_t *head = report_json_head(&l->report, SCHEMA);
	uint64_t bytes = 0, blocks = 0;
	for (int kind = 0; kind < LEAK_KINDS; kind++) {
		const struct leak_sum *sum = &l->leaks.sums[kind];
		json_object_set_new(head, names[kind][0], json_count(sum->bytes));
		json_object_set_new(head, names[kind][1], json_count(sum->blocks));
		json_object_set_new(head, names[kind][2], json_count(sum->stacks));
		bytes += sum->bytes;
		blocks += sum->blocks;
	}
	json_object_set_new(head, "leaked_bytes", json_count(bytes));
	json_object_set_new(head, "leaked_blocks", json_count(blocks));
	return head;
}

static int write_json(const struct leaks_report *l, struct err *err)
{
	struct json_out out;
	int result = json_open(&out, l->report.options->json, err);
	if (result < 0)
		return result;
	json_begin(&out);
	json_head(&out, json_totals(l));
	if (l->grouped)
		json_head(&out, json_pack("{s:o}", "group_rules", report_group_rules(l->report.options)));
	json_list(&out, l->grouped ? "groups" : "stacks");
	if (l->grouped)
		for (size_t i = 0; i < l->groups.groups.n_items; i++)
			json_element(&out, group_leaks_json(&l->groups, i));
	else
		write_stacks(&out, l);
	json_list_end(&out);
	json_list(&out, "suppressions");
	for (size_t i = 0; i < l->suppressions.n_items; i++)
		if (l->suppressions.items[i].stacks || strcmp(l->suppressions.items[i].source, "built-in") != 0)
			json_element(&out, json_suppression(&l->suppressions.items[i]));
	json_list_end(&out);
	json_end(&out);
	return json_close(&out, err);
}

/* --- the command --- */

static int run(struct leaks_report *l, const char *path, const struct report_options *options, struct err *err)
{
	struct report_window window = {.from = options->from, .to = options->to};
	l->grouped = options->group_rules.n_items > 0;
	int result = report_groups(options, &l->groups.groups, err);
	window.by_thread = groups_need_threads(&l->groups.groups);
	if (!result)
		result = report_open(&l->report, path, options, &window, NULL, err);
	if (!result)
		result = stacks_new(&l->stacks, STACKS_EXACT, err);
	if (!result)
		result = report_stacks(&l->report, l->stacks, 0, err);
	if (!result) {
		stacks_sort(l->stacks, COST_LEAKED);
		result = report_leaks(&l->report, l->stacks, &l->suppressions, &l->leaks, err);
	}
	if (!result && l->grouped)
		result = group_leaks_collect(&l->groups, l->stacks, &l->leaks, err);
	if (!result && options->json)
		result = write_json(l, err);
	if (!result && (!options->json || *options->json))
		print_text(l);
	int status = result < 0 ? say_err(err) : report_status(&l->report);
	group_leaks_release(&l->groups);
	leaks_release(&l->leaks);
	suppressions_release(&l->suppressions);
	stacks_free(l->stacks);
	report_close(&l->report);
	return status;
}

int cmd_leaks(int argc, char **argv)
{
	struct report_options o = {.limit = REPORT_NO_LIMIT};
	struct leaks_report l = {0};
	bool print_built_in = false;
	const struct option options[] = {REPORT_OPTIONS_GROUP(o), REPORT_OPTIONS_LIMIT(o), REPORT_OPTIONS_SUPPRESS(o),
	    {"no-built-in", 0, OPTION_FLAG, &o.no_built_in, NULL, "do not use the built-in suppressions", 0, 0},
	    {"print-suppressions", 0, OPTION_FLAG, &print_built_in, NULL, "print the built-in suppressions and exit", 0,
	        0},
	    {"runtime", 0, OPTION_FLAG, &l.with_runtime, NULL, "list the blocks of libc and the loader too", 0, 0},
	    REPORT_OPTIONS_WINDOW(o), REPORT_OPTIONS_SYMBOLS(o), REPORT_OPTIONS_COMMON(o), REPORT_OPTIONS_END};
	const struct option_table table = {"leaks [OPTION...] FILE",
	    "Show what a recorded program had not freed when it ended, by the stacks that allocated it.", options,
	    false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n >= 0 && print_built_in)
		fputs(suppressions_built_in, stdout);
	else if (n >= 0 && !report_operands(n, 1, "leaks", &err))
		status = run(&l, argv[1], &o, &err);
	else if (n != OPTION_HELP_SHOWN)
		status = say_err(&err);
	report_options_release(&o);
	return status;
}
