/* tidemark ops: what operations leave behind, per 100 of them. Enters: the recordings of one session. Leaves: text or JSON;
 * docs/metrics.md, "Leak rate", defines the figures, docs/json.md the keys. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "core/op_verdict.h"
#include "late_names.h"
#include "op_groups.h"
#include "op_report.h"

#define TEXT_STACKS 10
#define TEXT_FRAMES 24
#define SCHEMA "tidemark/ops/1"

/* --- text --- */

static void print_title(const struct term *term, const struct op_report *r)
{
	const struct operations *o = r->operations;
	const struct trace *trace = o->traces[0];
	char count[SIZE_TEXT_BYTES];
	term_text(term, trace_program(trace), 100);
	fprintf(term->out, " (pid %u", trace->header.pid);
	if (o->n_traces > 1)
		fprintf(term->out, " and %zu more", o->n_traces - 1);
	fprintf(
	    term->out, "): %s operation%s completed\n\n", count_text(count, o->total.count), plural(o->total.count));
}

static void print_row(const struct term *term, const struct op_entry *e)
{
	char count[SIZE_TEXT_BYTES], rate[RATE_TEXT_BYTES], low[RATE_TEXT_BYTES], high[RATE_TEXT_BYTES];
	unsigned width = term_text(term, e->name ? e->name[0] ? e->name : "(no name)" : "all", 24);
	fprintf(term->out, "%*s %10s ", 24 - (int)width, "", count_text(count, e->count));
	if (e->count < ESTIMATE_MIN_OPS) {
		fprintf(term->out, "%12s  %-21s %s\n", "?", "", "too few to tell");
		return;
	}
	char range[2 * RATE_TEXT_BYTES + 8];
	snprintf(range, sizeof(range), "%s to %s", rate_text(low, e->low), rate_text(high, e->high));
	fprintf(term->out, "%12s  %-21s %s%s\n", rate_text(rate, e->estimate), range, rate_class_name(e->rate_class),
	    e->freed_at_exit && e->estimate > 0 ? ", freed at exit" : "");
}

static void print_table(const struct term *term, const struct operations *o)
{
	fprintf(term->out, "%-24s %10s %12s  %-21s %s\n", "operation", "count", "left per 100", "99 % bounds", "class");
	print_row(term, &o->total);
	for (size_t i = 0; i < o->n_names; i++)
		print_row(term, &o->names[i]);
	fputc('\n', term->out);
}

/* What the entry's figures mean, in a sentence or two. */
static void print_conclusion(const struct term *term, const struct operations *o, const struct op_entry *e)
{
	char a[RATE_TEXT_BYTES], b[SIZE_TEXT_BYTES];
	struct op_judgement j = operations_verdict(o, e, 0, false, false);
	if (e->name) {
		fputs("Operation \"", term->out);
		term_text(term, e->name, 60);
		fputs("\": ", term->out);
	} else {
		fputs("All operations: ", term->out);
	}
	if (e->count < ESTIMATE_MIN_OPS)
		fprintf(term->out,
		    "%s are too few to tell a leak from what is merely alive; %.0f are the least. "
		    "Growth since the warm-up: %s per 100.\n",
		    count_text(b, e->count), ESTIMATE_MIN_OPS, rate_text(a, e->plain));
	else if (e->low > 0)
		fprintf(term->out, "a leak of at least %s per 100.\n", rate_text(a, e->low));
	else if (j.verdict == OP_PASS)
		fprintf(term->out, "nothing is left.\n");
	else if (e->estimate > 0)
		fprintf(term->out, "%s per 100 are left, but whether that goes on is not certain.\n",
		    rate_text(a, e->estimate));
	else if (e->grown > 0)
		fprintf(term->out, "at most %s per 100 are left, where what is freed is replaced by more.\n",
		    rate_text(a, e->strict_high));
	else
		fprintf(term->out, "nothing is left that can be told from blocks still in use.\n");
	if (!e->name && operations_outside(o) > 0)
		fprintf(term->out,
		    "At least %s of it come from no operation: "
		    "from other threads than those that began them, or from between them.\n",
		    rate_text(a, operations_outside(o)));
	if (e->suppressed_per_100 > 0)
		fprintf(term->out, "Suppressed, and not counted: %s per 100.\n", rate_text(a, e->suppressed_per_100));
	if (j.verdict == OP_INCONCLUSIVE && j.needed_ops)
		fprintf(term->out, "About %s operations would tell.\n", count_text(b, j.needed_ops));
	if (e->count >= ESTIMATE_MIN_OPS && e->detectable > 0)
		fprintf(term->out,
		    "The smallest leak that this run could have seen: %s per 100, "
		    "or one of its largest blocks in one of %.0f operations.\n",
		    rate_text(a, e->detectable), fmax(1, (double)e->count / 6.7));
	fputc('\n', term->out);
}

static const char *explain(enum rate_class rate_class)
{
	static const char *const texts[] = {[RATE_NONE] = "none",
	    [RATE_ONCE] = "once (from one or two batches)",
	    [RATE_TURNOVER] = "turnover (others of them are freed at any age)",
	    [RATE_FILLING] = "filling (less and less)",
	    [RATE_SPARSE] = "sparse (from few operations)",
	    [RATE_STEADY] = "steady"};
	return texts[rate_class];
}

static void print_since(const struct term *term, const struct op_entry *e, const struct op_stack *s)
{
	char first[SIZE_TEXT_BYTES], last[SIZE_TEXT_BYTES];
	double n = (double)e->count;
	if ((double)s->first_op > n / 16)
		fprintf(term->out, ", since operation %s", count_text(first, s->first_op));
	if ((double)s->last_op < (double)s->end_op * 3 / 4)
		fprintf(term->out, ", up to operation %s", count_text(last, s->last_op));
}

static void print_stack(
    const struct term *term, struct op_report *r, const struct op_entry *e, const struct op_stack *s)
{
	char rate[RATE_TEXT_BYTES];
	const struct frame_view **frames = NULL;
	size_t n = op_report_frames(r, s, &frames);
	if (s->grown_per_100 > 0)
		fprintf(term->out, "at most %s per 100, turnover (what is freed is replaced by more)",
		    rate_text(rate, s->bytes_per_100 + s->grown_per_100));
	else
		fprintf(term->out, "%s per 100 in %.*f block%s, %s", rate_text(rate, s->bytes_per_100),
		    s->blocks_per_100 < 9.95, s->blocks_per_100, s->blocks_per_100 == 1 ? "" : "s",
		    explain(s->rate_class));
	if (!(s->grown_per_100 > 0))
		print_since(term, e, s);
	if (s->freed_at_exit)
		fputs(", freed at exit", term->out);
	const struct suppression *hidden = s->suppressed ? op_report_suppression(r, frames, n) : NULL;
	if (hidden) {
		fputs(", suppressed by leak:", term->out);
		term_text(term, hidden->pattern, 100);
		fprintf(term->out, " (%s)", hidden->source);
	}
	fputc('\n', term->out);
	term_stack(term, frames, n, 4, TEXT_FRAMES);
	fputc('\n', term->out);
}

static bool shows(const struct op_stack *s)
{
	return s->bytes_per_100 > 0 || s->grown_per_100 > 0;
}

static void print_stacks(const struct term *term, struct op_report *r, const struct op_entry *e)
{
	if (r->options->group_rules.n_items) {
		r->failed |= op_groups_print(term, r, e, &r->failure) < 0;
		return;
	}
	size_t all = 0, seen = 0;
	for (size_t i = 0; i < e->n_stacks; i++)
		all += shows(&e->stacks[i]);
	size_t shown = report_text_limit(r->options, all, TEXT_STACKS);
	for (size_t i = 0; i < e->n_stacks && seen < shown; i++)
		if (shows(&e->stacks[i])) {
			print_stack(term, r, e, &e->stacks[i]);
			seen++;
		}
	if (shown < all)
		fprintf(
		    term->out, "... and %zu more stack%s; --limit 0 shows all\n\n", all - shown, plural(all - shown));
}

/* Whether a name's entry says what the total says already. */
static bool same_as_total(const struct operations *o, const struct op_entry *e)
{
	return e->count == o->total.count && fabs(e->estimate - o->total.estimate) <= o->total.estimate / 100;
}

static void print_text(struct op_report *r)
{
	struct term term;
	const struct operations *o = r->operations;
	struct report_warnings warnings;
	term_init(&term, stdout);
	op_report_warn(r, &warnings);
	report_print_sentences(&term, &warnings);
	print_title(&term, r);
	if (!o->total.count && !o->n_names) {
		fputs(
		    "Nothing can be said per operation. The program tells where its operations begin and end with\n"
		    "tidemark_op_begin() and tidemark_op_end() of tidemark.h; or it is told from outside how many were\n"
		    "done, with `tidemark mark PID NAME --ops N`, or by `tidemark drive`.\n",
		    term.out);
		return;
	}
	print_table(&term, o);
	print_conclusion(&term, o, &o->total);
	print_stacks(&term, r, &o->total);
	for (size_t i = 0; i < o->n_names; i++) {
		const struct op_entry *e = &o->names[i];
		if (same_as_total(o, e) || e->count < ESTIMATE_MIN_OPS || !(e->estimate + e->grown > 0))
			continue;
		print_conclusion(&term, o, e);
		print_stacks(&term, r, e);
	}
}

/* --- JSON --- */

/* JSON has no infinity: null. */
static json_t *json_rate(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_stack(struct op_report *r, const struct op_stack *s)
{
	const struct frame_view **frames = NULL;
	size_t n = op_report_frames(r, s, &frames);
	const struct suppression *hidden = s->suppressed ? op_report_suppression(r, frames, n) : NULL;
	json_t *item = json_object();
	json_object_set_new(item, "bytes_per_100", json_rate(s->bytes_per_100));
	json_object_set_new(item, "blocks_per_100", json_rate(s->blocks_per_100));
	json_object_set_new(item, "grown_bytes_per_100", json_rate(s->grown_per_100));
	json_object_set_new(item, "class", json_string(rate_class_name(s->rate_class)));
	json_object_set_new(item, "freed_at_exit", json_boolean(s->freed_at_exit));
	json_object_set_new(item, "plain_bytes_per_100", json_rate(s->plain));
	json_object_set_new(item, "bytes", json_count(s->bytes));
	json_object_set_new(item, "blocks", json_count(s->blocks));
	json_object_set_new(item, "first_operation", json_count(s->first_op));
	json_object_set_new(item, "last_operation", json_count(s->last_op));
	json_object_set_new(item, "suppressed_by", hidden ? json_text(hidden->pattern) : json_null());
	json_object_set_new(item, "runtime", json_boolean(runtime_owns(frames, n, resolver_callee, r->resolver)));
	json_object_set_new(item, "frames", json_frames(frames, n));
	return item;
}

static json_t *json_stacks(struct op_report *r, const struct op_entry *e)
{
	json_t *list = json_array();
	size_t n = report_json_limit(r->options, e->n_stacks);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_stack(r, &e->stacks[i]));
	return list;
}

static json_t *json_entry(struct op_report *r, const struct op_entry *e)
{
	struct op_judgement j = operations_verdict(r->operations, e, 0, false, false);
	json_t *item = json_object(), *rate = json_object();
	json_object_set_new(rate, "estimate", json_rate(e->estimate));
	json_object_set_new(rate, "low", json_rate(e->low));
	json_object_set_new(rate, "high", json_rate(e->high));
	json_object_set_new(item, "name", e->name ? json_text(e->name) : json_null());
	json_object_set_new(item, "count", json_count(e->count));
	json_object_set_new(item, "batches", json_count(e->n_batches));
	json_object_set_new(item, "batch_operations", json_real(e->batch_ops));
	json_object_set_new(item, "leaked_bytes_per_100", rate);
	json_object_set_new(item, "class", json_string(rate_class_name(e->rate_class)));
	json_object_set_new(item, "freed_at_exit", json_boolean(e->freed_at_exit));
	json_object_set_new(item, "leaked_blocks_per_100", json_rate(e->blocks_per_100));
	json_object_set_new(item, "detectable_bytes_per_100", json_rate(e->detectable));
	json_object_set_new(item, "recent_bytes_per_100", json_rate(e->recent));
	json_object_set_new(item, "plain_bytes_per_100", json_rate(e->plain));
	json_object_set_new(item, "suppressed_bytes_per_100", json_rate(e->suppressed_per_100));
	json_object_set_new(item, "needed_operations", json_count(j.verdict == OP_INCONCLUSIVE ? j.needed_ops : 0));
	if (r->options->group_rules.n_items)
		json_object_set_new(item, "groups", op_groups_json(r, e));
	else
		json_object_set_new(item, "stacks", json_stacks(r, e));
	return item;
}

static json_t *json_recordings(const struct operations *o)
{
	json_t *list = json_array();
	for (size_t i = 0; i < o->n_traces; i++) {
		const struct trace *trace = o->traces[i];
		const char *exe = trace->meta[TIDEMARK_META_EXE];
		json_t *item = json_object();
		json_object_set_new(item, "file", json_text(trace->path));
		json_object_set_new(item, "program", json_text(exe ? exe : ""));
		json_object_set_new(item, "pid", json_integer(trace->header.pid));
		json_object_set_new(item, "complete", json_boolean(trace->complete));
		json_array_append_new(list, item);
	}
	return list;
}

static json_t *json_others(const struct op_report *r)
{
	json_t *list = json_array();
	for (size_t i = 0; i < r->others.n_items; i++)
		json_array_append_new(list, json_text(r->others.items[i]));
	return list;
}

static json_t *json_document(struct op_report *r)
{
	const struct operations *o = r->operations;
	struct report_warnings warnings;
	json_t *document = json_object(), *said = json_array(), *names = json_array();
	op_report_warn(r, &warnings);
	for (size_t i = 0; i < warnings.n; i++)
		json_array_append_new(said, json_text(warnings.text[i]));
	for (size_t i = 0; i < o->n_names; i++)
		json_array_append_new(names, json_entry(r, &o->names[i]));
	json_object_set_new(document, "schema", json_string(SCHEMA));
	json_object_set_new(document, "recordings", json_recordings(o));
	json_object_set_new(document, "others_of_session", json_others(r));
	json_object_set_new(document, "complete", json_boolean(o->complete));
	json_object_set_new(document, "lost_events", json_count(o->lost_events));
	json_object_set_new(document, "warnings", said);
	json_object_set_new(document, "unfinished_operations", json_count(o->unfinished));
	if (r->options->group_rules.n_items)
		json_object_set_new(document, "group_rules", report_group_rules(r->options));
	json_object_set_new(document, "total", json_entry(r, &o->total));
	json_object_set_new(document, "operations", names);
	return document;
}

static int write_json(struct op_report *r, struct err *err)
{
	struct json_out out;
	int result = json_open(&out, r->options->json, err);
	if (result < 0)
		return result;
	json_write(&out, json_document(r));
	return json_close(&out, err);
}

/* --- the command --- */

static int run(char **paths, size_t n_paths, const struct report_options *options, struct err *err)
{
	struct op_report r;
	if (op_report_open(&r, (const char *const *)paths, n_paths, options, err) < 0)
		return say_err(err);
	int result = options->json ? write_json(&r, err) : 0;
	if (!result && (!options->json || *options->json))
		print_text(&r);
	if (!result && r.failed) {
		*err = r.failure;
		result = -1;
	}
	bool whole = r.operations->complete && !r.operations->lost_events;
	int status = result < 0 ? say_err(err) : options->strict && !whole ? CMD_INCOMPLETE : CMD_OK;
	op_report_close(&r);
	return status;
}

int cmd_ops(int argc, char **argv)
{
	struct report_options o = {.limit = REPORT_NO_LIMIT};
	const struct option options[] = {REPORT_OPTIONS_GROUP(o), REPORT_OPTIONS_LIMIT(o), REPORT_OPTIONS_SUPPRESS(o),
	    {"no-built-in", 0, OPTION_FLAG, &o.no_built_in, NULL, "do not use the built-in suppressions", 0, 0},
	    REPORT_OPTIONS_SYMBOLS(o), REPORT_OPTIONS_COMMON(o), REPORT_OPTIONS_END};
	const struct option_table table = {"ops [OPTION...] FILE...",
	    "Show what operations leave behind, per 100 of them. Several files are the processes of one session.",
	    options, false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n >= 1)
		status = run(argv + 1, (size_t)n, &o, &err);
	else if (n == 0) {
		report_operands(0, 1, "ops", &err);
		status = say_err(&err);
	} else if (n != OPTION_HELP_SHOWN)
		status = say_err(&err);
	report_options_release(&o);
	return status;
}
