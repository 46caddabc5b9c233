/* tidemark baseline save|show|compare: the figures of known good runs, kept in the repository. Enters: recordings, a
 * baseline. Leaves: a baseline, or text about it. docs/json.md tells the file's keys, docs/metrics.md the rules. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "core/fingerprint.h"
#include "core/gate.h"
#include "measuring.h"
#include "render/gate_out.h"

#define SHOWN_STACKS 10

struct baseline_command {
	struct report_options report;
	const char *output, *regression;
};

#define BASELINE_OPTIONS(c)                                                                                            \
	REPORT_OPTIONS_SUPPRESS((c).report),                                                                           \
	    {"no-built-in", 0, OPTION_FLAG, &(c).report.no_built_in, NULL, "do not use the built-in suppressions", 0,  \
	        0},                                                                                                    \
	    REPORT_OPTIONS_SYMBOLS((c).report)

/* --- save --- */

static int write_file(const struct baseline *baseline, const char *path, struct err *err)
{
	FILE *file = output_open(strcmp(path, "-") ? path : "", err);
	if (!file)
		return err->code;
	bool short_of_memory = baseline_write(baseline, file) < 0 && !ferror(file);
	int closed = output_close(file, path, err);
	return short_of_memory ? err_memory(err) : closed;
}

/* A baseline is what later runs are held against: only whole recordings will do.
 * returns: an exit status */
static int check_whole(const struct measure *m)
{
	for (size_t i = 0; i < m->n_sessions; i++) {
		const struct measure_session *s = &m->sessions[i];
		if (s->torn || s->lost_events) {
			say("no baseline was saved: the recording '%s' %s", s->paths[0],
			    s->lost_events ? "lost events" : "is incomplete");
			return CMD_INCOMPLETE;
		}
		if (s->empty) {
			say("no baseline was saved: '%s' holds not one allocation", s->paths[0]);
			return CMD_INCONCLUSIVE;
		}
	}
	return CMD_OK;
}

static int save(const struct baseline_command *c, const char *output, char **paths, size_t n, struct err *err)
{
	struct measure *measure = NULL;
	struct baseline baseline = {0};
	int result = measuring_read(&measure, (const char *const *)paths, n, &c->report, err);
	int status = result < 0 ? CMD_OK : check_whole(measure);
	if (!result && status == CMD_OK) {
		result = baseline_make(&baseline, measure, err);
		if (!result)
			result = write_file(&baseline, output, err);
		for (size_t i = 0; i < measure->n_notes && !result; i++)
			say("%s", measure->notes[i]);
		if (!result && strcmp(output, "-") != 0)
			say("saved '%s': %s, %zu run%s, %zu stack%s", output, baseline.program, measure->n_sessions,
			    plural(measure->n_sessions), baseline.n_stacks, plural(baseline.n_stacks));
	}
	baseline_release(&baseline);
	measure_free(measure);
	return result < 0 ? say_err(err) : status;
}

static bool is_json(const char *path)
{
	size_t length = strlen(path);
	return length >= 5 && !strcmp(path + length - 5, ".json");
}

static int cmd_save(int argc, char **argv)
{
	struct baseline_command c = {0};
	const struct option options[] = {
	    {"output", 'o', OPTION_TEXT, &c.output, "FILE", "write FILE instead of standard output", 0, 0},
	    BASELINE_OPTIONS(c), REPORT_OPTIONS_END};
	const struct option_table table = {"baseline save [OPTION...] [BASELINE.json] FILE...",
	    "Keep the figures of recordings: medians over runs, sums over the processes of a run.", options, false};
	struct err err = {0};
	int n = option_parse(&table, argc, argv, &err), status = CMD_OK;
	char **paths = argv + 1;
	if (n > 0 && !c.output && is_json(paths[0])) {
		c.output = *paths++;
		n--;
	}
	if (n < 0)
		status = n == OPTION_HELP_SHOWN ? CMD_OK : say_err(&err);
	else if (!n)
		status = (say("no recording named; see tidemark baseline save --help"), CMD_TROUBLE);
	else
		status = save(&c, c.output ? c.output : "-", paths, (size_t)n, &err);
	report_options_release(&c.report);
	return status;
}

/* --- show --- */

static enum metric_kind kind_of(const char *name)
{
	if (!strncmp(name, "leaked_bytes_per_100", 20))
		return METRIC_RATE;
	return strstr(name, "allocations") ? METRIC_ALLOCATIONS : METRIC_ALLOCATED;
}

static void show_metric(const struct term *term, const struct baseline_metric *metric, uint64_t n_runs)
{
	enum metric_kind kind = kind_of(metric->name);
	char value[METRIC_TEXT_BYTES], from[METRIC_TEXT_BYTES], to[METRIC_TEXT_BYTES];
	fprintf(term->out, "%12s  ", metric_text(value, kind, metric->value));
	term_text(term, metric->name, 100);
	if (metric->low == metric->low)
		fprintf(term->out, " (%s to %s)", metric_text(from, kind, metric->low),
		    metric->high == metric->high ? metric_text(to, kind, metric->high) : "unbounded");
	else if (n_runs > 1)
		fprintf(
		    term->out, " (%s to %s)", metric_text(from, kind, metric->min), metric_text(to, kind, metric->max));
	fputc('\n', term->out);
}

static int compare_stacks(const void *left, const void *right)
{
	const struct baseline_stack *a = *(const struct baseline_stack *const *)left,
	                            *b = *(const struct baseline_stack *const *)right;
	double x = a->values[METRIC_PEAK_HEAP], y = b->values[METRIC_PEAK_HEAP];
	return x != y ? (x < y) - (x > y) : (a->fingerprint > b->fingerprint) - (a->fingerprint < b->fingerprint);
}

static void show_stack(const struct term *term, const struct baseline_stack *stack)
{
	char peak[METRIC_TEXT_BYTES], left[METRIC_TEXT_BYTES], text[FINGERPRINT_TEXT_BYTES];
	fprintf(term->out, "%12s %12s  %s  ", metric_text(peak, METRIC_PEAK_HEAP, stack->values[METRIC_PEAK_HEAP]),
	    metric_text(left, METRIC_PROGRAM, stack->values[METRIC_PROGRAM]),
	    fingerprint_text(text, stack->fingerprint));
	term_text(term, stack->functions, 160);
	fputc('\n', term->out);
}

static int show(const struct baseline *b, const char *path, uint64_t limit)
{
	struct term term;
	const struct baseline_stack **order = calloc(b->n_stacks + 1, sizeof(*order));
	if (!order)
		return CMD_TROUBLE;
	term_init(&term, stdout);
	term_text(&term, path, 200);
	fputs(": ", stdout);
	term_text(&term, b->program, 80);
	printf(", %" PRIu64 " run%s\n\n", b->n_runs, plural(b->n_runs));
	for (size_t i = 0; i < b->n_metrics; i++)
		show_metric(&term, &b->metrics[i], b->n_runs);
	printf("\n%12s %12s  stack\n", "at the peak", "at the end");
	for (size_t i = 0; i < b->n_stacks; i++)
		order[i] = &b->stacks[i];
	qsort(order, b->n_stacks, sizeof(*order), compare_stacks);
	for (size_t i = 0; i < b->n_stacks && (!limit || i < limit); i++)
		show_stack(&term, order[i]);
	if (limit && b->n_stacks > limit)
		printf("... and %zu more stack%s; --limit 0 shows all\n", b->n_stacks - (size_t)limit,
		    plural(b->n_stacks - limit));
	free(order);
	return CMD_OK;
}

static int cmd_show(int argc, char **argv)
{
	struct report_options report = {.limit = SHOWN_STACKS};
	const struct option options[] = {REPORT_OPTIONS_LIMIT(report), REPORT_OPTIONS_END};
	const struct option_table table = {
	    "baseline show [OPTION...] BASELINE.json", "Print a baseline for people.", options, false};
	struct baseline baseline = {0};
	struct err err = {0};
	int n = option_parse(&table, argc, argv, &err), status = CMD_OK;
	if (n < 0)
		return n == OPTION_HELP_SHOWN ? CMD_OK : say_err(&err);
	if (n != 1) {
		say("one baseline is wanted; see tidemark baseline show --help");
		return CMD_TROUBLE;
	}
	status = baseline_read(&baseline, argv[1], &err) < 0 ? say_err(&err) : show(&baseline, argv[1], report.limit);
	baseline_release(&baseline);
	return status;
}

/* --- compare: the gate with nothing but a baseline --- */

static int print_comparison(const struct gate *gate, const char *json, const char *where, struct err *err)
{
	char root[4096];
	gate_config_root(root);
	struct gate_out out = {.gate = gate, .folder = root, .where = where};
	if (!json || *json)
		gate_text(&out, stdout);
	if (!json)
		return 0;
	struct json_out file;
	int result = json_open(&file, json, err);
	if (result < 0)
		return result;
	json_write(&file, gate_json(&out));
	return json_close(&file, err);
}

static int compare(const struct baseline_command *c, char **argv, size_t n, struct err *err)
{
	struct baseline baseline = {0};
	struct gate_config config;
	struct measure *measure = NULL;
	struct gate gate = {0};
	gate_config_init(&config);
	int result = gate_config_set(&config, "baseline", argv[0], "BASELINE", err);
	if (!result && c->regression)
		result = gate_config_set(&config, "regression", c->regression, "--regression", err);
	if (!result)
		result = baseline_read(&baseline, argv[0], err);
	if (!result)
		result = measuring_read(&measure, (const char *const *)argv + 1, n, &c->report, err);
	if (!result)
		result = gate_judge(&gate, measure, &config, &baseline, time(NULL), err);
	if (!result)
		result = print_comparison(&gate, c->report.json, argv[0], err);
	static const int status[] = {CMD_OK, CMD_OK, CMD_INCONCLUSIVE, CMD_INCOMPLETE, CMD_FINDING};
	int ends = result < 0 ? say_err(err) : status[gate.verdict];
	gate_release(&gate);
	measure_free(measure);
	baseline_release(&baseline);
	gate_config_release(&config);
	return ends;
}

static int cmd_compare(int argc, char **argv)
{
	struct baseline_command c = {0};
	const struct option options[] = {{"regression", 0, OPTION_TEXT, &c.regression, "PERCENT",
	                                     "how much more than the baseline fails (10)", 0, 0},
	    {"json", 0, OPTION_OPTIONAL, &c.report.json, "FILE", "print JSON, or write it to FILE besides the text", 0,
	        0},
	    BASELINE_OPTIONS(c), REPORT_OPTIONS_END};
	const struct option_table table = {"baseline compare [OPTION...] BASELINE.json FILE...",
	    "Compare recordings with a baseline, as tidemark gate --baseline does.", options, false};
	struct err err = {0};
	int n = option_parse(&table, argc, argv, &err), status = CMD_OK;
	if (n < 0) {
		status = n == OPTION_HELP_SHOWN ? CMD_OK : say_err(&err);
	} else if (n < 2) {
		say("a baseline and a recording are wanted; see tidemark baseline compare --help");
		status = CMD_TROUBLE;
	} else {
		status = compare(&c, argv + 1, (size_t)n - 1, &err);
	}
	report_options_release(&c.report);
	return status;
}

int cmd_baseline(int argc, char **argv)
{
	static const struct {
		const char *name, *purpose;
		int (*run)(int argc, char **argv);
	} verbs[] = {{"save", "keep the figures of recordings", cmd_save}, {"show", "print a baseline", cmd_show},
	    {"compare", "compare recordings with a baseline", cmd_compare}};
	bool help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
	for (size_t i = 0; i < 3 && argc > 1 && !help; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	if (!help) {
		say(argc > 1 ? "unknown command 'baseline %s'; there are save, show, compare"
		             : "save, show or compare? see tidemark baseline --help",
		    argc > 1 ? argv[1] : "");
		return CMD_TROUBLE;
	}
	puts("usage: tidemark baseline save|show|compare [OPTION...] BASELINE.json [FILE...]\n");
	for (size_t i = 0; i < 3; i++)
		printf("  %-8s %s\n", verbs[i].name, verbs[i].purpose);
	char flag[] = "--help";
	for (size_t i = 0; i < 3; i++) {
		char name[8];
		snprintf(name, sizeof(name), "%s", verbs[i].name);
		char *arguments[] = {name, flag, NULL};
		putchar('\n');
		verbs[i].run(2, arguments);
	}
	return CMD_OK;
}
