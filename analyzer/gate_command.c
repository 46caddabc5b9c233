/* The gate as the command line tells it: see gate_command.h. */
#include "gate_command.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/say.h"
#include "cmd.h"
#include "core/gate.h"
#include "measuring.h"
#include "render/gate_out.h"

/* Thresholds as they were written; NULL: not. */
struct gate_words {
	const char *rate, *peak_heap, *peak_rss, *leaked, *baseline, *regression, *on_inconclusive, *method, *config;
	struct option_list ops;
};

struct gate_outputs {
	const char *markdown, *junit, *sarif, *gitlab, *bencher, *benchmark;
	bool github;
};

struct gate_command {
	struct report_options report;
	struct gate_words words;
	struct gate_outputs outputs;
	struct gate_config config;
	struct baseline baseline;
	struct measure *measure;
	struct gate gate;
};

/* --- thresholds --- */

static int set_words(struct gate_command *c, struct err *err)
{
	const struct gate_words *w = &c->words;
	const struct {
		const char *name, *text;
	} single[] = {{"leak-per-100-ops", w->rate}, {"peak-heap", w->peak_heap}, {"peak-rss", w->peak_rss},
	    {"leaked", w->leaked}, {"baseline", w->baseline}, {"regression", w->regression},
	    {"on-inconclusive", w->on_inconclusive}, {"method", w->method}};
	char what[64];
	int result = 0;
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]) && !result; i++) {
		snprintf(what, sizeof(what), "--%s", single[i].name);
		if (single[i].text)
			result = gate_config_set(&c->config, single[i].name, single[i].text, what, err);
	}
	for (size_t i = 0; i < w->ops.n_items && !result; i++)
		result = gate_config_set(&c->config, "op", w->ops.items[i], "--op", err);
	if (c->report.strict)
		c->config.strict = true;
	return result;
}

static int read_config(struct gate_command *c, struct err *err)
{
	char *found = NULL;
	int result = c->words.config ? 0 : gate_config_find(&found, err);
	const char *path = c->words.config ? c->words.config : found;
	if (!result && path)
		result = gate_config_read(&c->config, path, err);
	free(found);
	return result < 0 ? result : set_words(c, err);
}

/* The files of suppressions that the thresholds name are those of --suppressions too. */
static int add_suppressions(struct gate_command *c, struct err *err)
{
	struct option_list *list = &c->report.suppression_files;
	const char **grown = realloc(list->items, (list->n_items + c->config.n_suppressions + 1) * sizeof(*grown));
	if (!grown)
		return err_memory(err);
	list->items = grown;
	for (size_t i = 0; i < c->config.n_suppressions; i++)
		list->items[list->n_items++] = c->config.suppressions[i];
	return 0;
}

static bool is_stdout(const char *path)
{
	return path && !strcmp(path, "-");
}

/* One document at most may go to standard output. returns: how many do */
static int count_stdout(const struct gate_command *c)
{
	const struct gate_outputs *o = &c->outputs;
	return (c->report.json && (!*c->report.json || is_stdout(c->report.json))) + is_stdout(o->markdown) +
	       is_stdout(o->junit) + is_stdout(o->sarif) + is_stdout(o->gitlab) + is_stdout(o->bencher) +
	       is_stdout(o->benchmark);
}

static int prepare(struct gate_command *c, struct err *err)
{
	int result = read_config(c, err);
	if (!result && count_stdout(c) > 1)
		result = err_set(err, TIDEMARK_ERR_USAGE, "only one document can go to standard output");
	if (!result && c->config.baseline)
		result = baseline_read(&c->baseline, c->config.baseline, err);
	return result < 0 ? result : add_suppressions(c, err);
}

/* --- outputs --- */

static FILE *open_output(const char *path, struct err *err)
{
	return output_open(is_stdout(path) ? "" : path, err);
}

static int write_text(
    const struct gate_out *out, const char *path, void (*render)(const struct gate_out *, FILE *), struct err *err)
{
	if (!path)
		return 0;
	FILE *file = open_output(path, err);
	if (!file)
		return err->code;
	render(out, file);
	return output_close(file, path, err);
}

static int write_json(
    const struct gate_out *out, const char *path, json_t *(*render)(const struct gate_out *), struct err *err)
{
	if (!path)
		return 0;
	FILE *file = open_output(path, err);
	if (!file)
		return err->code;
	json_t *document = render(out);
	int result = document ? json_dumpf(document, file, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : -1;
	json_decref(document);
	fputc('\n', file);
	bool short_of_memory = result < 0 && !ferror(file);
	int closed = output_close(file, path, err);
	return short_of_memory ? err_memory(err) : closed;
}

/* GitHub shows what is appended to this file on the run's page. */
static int write_step_summary(const struct gate_out *out, struct err *err)
{
	const char *path = getenv("GITHUB_STEP_SUMMARY");
	if (!path || !*path)
		return 0;
	FILE *file = fopen(path, "ae");
	if (!file)
		return err_errno(err, "cannot write '%s' (GITHUB_STEP_SUMMARY)", path);
	gate_markdown(out, file);
	return output_close(file, path, err);
}

static int write_outputs(const struct gate_command *c, const struct gate_out *out, bool stdout_taken, struct err *err)
{
	const struct gate_outputs *o = &c->outputs;
	const char *json = c->report.json && !*c->report.json ? "-" : c->report.json;
	int result = 0;
	if (!stdout_taken)
		gate_text(out, stdout);
	if (!result)
		result = write_json(out, json, gate_json, err);
	if (!result)
		result = write_text(out, o->markdown, gate_markdown, err);
	if (!result)
		result = write_text(out, o->junit, gate_junit, err);
	if (!result)
		result = write_json(out, o->sarif, gate_sarif, err);
	if (!result)
		result = write_json(out, o->gitlab, gate_gitlab, err);
	if (!result)
		result = write_json(out, o->bencher, gate_bencher, err);
	if (!result)
		result = write_json(out, o->benchmark, gate_benchmark, err);
	if (!result && o->github) {
		gate_github(out, stdout_taken ? stderr : stdout);
		result = write_step_summary(out, err);
	}
	return result;
}

/* --- the command --- */

static int status_of(enum verdict verdict)
{
	static const int status[] = {[VERDICT_PASS] = CMD_OK,
	    [VERDICT_WARN] = CMD_OK,
	    [VERDICT_INCONCLUSIVE] = CMD_INCONCLUSIVE,
	    [VERDICT_INCOMPLETE] = CMD_INCOMPLETE,
	    [VERDICT_FAIL] = CMD_FINDING};
	return status[verdict];
}

bool gate_command_judges(const struct gate_command *c)
{
	return gate_config_judges(&c->config);
}

const struct gate_config *gate_command_config(const struct gate_command *c)
{
	return &c->config;
}

const struct report_options *gate_command_report(const struct gate_command *c)
{
	return &c->report;
}

const struct baseline *gate_command_baseline(const struct gate_command *c)
{
	return c->config.baseline ? &c->baseline : NULL;
}

void gate_command_missing(struct gate_command *c, const char *what)
{
	c->config.missing = what;
}

/* Budgets for names alone do not see what belongs to none of them. */
static int note_outside(struct gate_command *c, struct err *err)
{
	char rate[METRIC_TEXT_BYTES];
	for (size_t i = 0; i < c->measure->n_sessions && c->config.n_ops && isnan(c->config.rate_budget); i++) {
		const struct operations *operations = c->measure->sessions[i].operations;
		double outside = operations ? operations_outside(operations) : 0;
		if (outside > 0)
			return measure_note(c->measure, err,
			    "at least %s per 100 operations come from no operation of any name: "
			    "from other threads than those that began them, or from between them; "
			    "--leak-per-100-ops judges them too",
			    metric_text(rate, METRIC_RATE, outside));
	}
	return 0;
}

int gate_command_run(struct gate_command *c, char *const *paths, size_t n, struct err *err)
{
	char root[4096];
	if (!gate_config_judges(&c->config))
		return err_set(err, TIDEMARK_ERR_USAGE,
		    "nothing to judge by: give --leak-per-100-ops, --op, --peak-heap, --peak-rss, --leaked or --baseline, "
		    "or write a tidemark.toml");
	int result = measuring_read(&c->measure, (const char *const *)paths, n, &c->report, err);
	if (!result && c->config.baseline && strcmp(c->baseline.program, c->measure->program) != 0)
		result = measure_note(c->measure, err, "the baseline is of '%s', the recording of '%s'",
		    c->baseline.program, c->measure->program);
	if (!result)
		result = note_outside(c, err);
	if (!result)
		result = gate_judge(
		    &c->gate, c->measure, &c->config, c->config.baseline ? &c->baseline : NULL, time(NULL), err);
	if (!result) {
		gate_config_root(root);
		const char *where = c->config.path ? c->config.path : paths[0];
		char *full = realpath(where, NULL); /* which is below the folder, wherever we are */
		struct gate_out out = {.gate = &c->gate, .folder = root, .where = full ? full : where};
		result = write_outputs(c, &out, count_stdout(c) > 0, err);
		free(full);
	}
	return result < 0 ? result : status_of(c->gate.verdict);
}

void gate_command_free(struct gate_command *c)
{
	if (!c)
		return;
	gate_release(&c->gate);
	measure_free(c->measure);
	baseline_release(&c->baseline);
	gate_config_release(&c->config);
	free(c->words.ops.items);
	report_options_release(&c->report);
	free(c);
}

/* Other commands take --json=FILE only, because what follows --json is a recording. No recording is called *.json, so here
 * "--json FILE.json" is understood as well, like the other forms of output. */
static int join_json(int argc, char **argv)
{
	static char joined[4096];
	for (int i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i++) {
		size_t length = strlen(argv[i + 1]);
		if (strcmp(argv[i], "--json") != 0 || length < 5 || strcmp(argv[i + 1] + length - 5, ".json") != 0)
			continue;
		snprintf(joined, sizeof(joined), "--json=%s", argv[i + 1]);
		argv[i] = joined;
		memmove(&argv[i + 1], &argv[i + 2], (size_t)(argc - i - 1) * sizeof(*argv));
		return argc - 1;
	}
	return argc;
}

/* returns: how many operands there are. errors: those of option_parse */
static int parse(struct gate_command *c, int argc, char **argv, struct err *err)
{
	struct gate_words *w = &c->words;
	struct gate_outputs *o = &c->outputs;
	const struct option options[] = {
	    {"leak-per-100-ops", 0, OPTION_TEXT, &w->rate, "SIZE", "bytes that 100 operations may leave behind", 0, 0},
	    {"op", 0, OPTION_LIST, &w->ops, "NAME=SIZE", "the same for the operations of one name; may be repeated", 0,
	        0},
	    {"peak-heap", 0, OPTION_TEXT, &w->peak_heap, "SIZE[:CRITICAL]",
	        "largest heap; with CRITICAL, SIZE warns and CRITICAL fails", 0, 0},
	    {"peak-rss", 0, OPTION_TEXT, &w->peak_rss, "SIZE[:CRITICAL]", "largest resident set", 0, 0},
	    {"leaked", 0, OPTION_TEXT, &w->leaked, "SIZE[:CRITICAL]", "what the program leaves alive at the end", 0, 0},
	    {"baseline", 0, OPTION_TEXT, &w->baseline, "FILE", "compare with what tidemark baseline saved", 0, 0},
	    {"regression", 0, OPTION_TEXT, &w->regression, "PERCENT", "how much more than the baseline fails (10)", 0,
	        0},
	    {"method", 0, OPTION_TEXT, &w->method, "M",
	        "of leak budgets: interval (statistics), or plain (growth after a warm-up)", 0, 0},
	    {"on-inconclusive", 0, OPTION_TEXT, &w->on_inconclusive, "V",
	        "count an inconclusive check as fail, warn or pass", 0, 0},
	    {"config", 0, OPTION_TEXT, &w->config, "FILE", "thresholds from FILE instead of the nearest tidemark.toml",
	        0, 0},
	    REPORT_OPTIONS_SUPPRESS(c->report),
	    {"no-built-in", 0, OPTION_FLAG, &c->report.no_built_in, NULL, "do not use the built-in suppressions", 0, 0},
	    {"markdown", 0, OPTION_TEXT, &o->markdown, "FILE",
	        "write a comment for a pull request; - is standard output", 0, 0},
	    {"junit", 0, OPTION_TEXT, &o->junit, "FILE", "write JUnit XML", 0, 0},
	    {"sarif", 0, OPTION_TEXT, &o->sarif, "FILE", "write SARIF 2.1.0", 0, 0},
	    {"gitlab", 0, OPTION_TEXT, &o->gitlab, "FILE", "write a GitLab Code Quality report", 0, 0},
	    {"bencher", 0, OPTION_TEXT, &o->bencher, "FILE", "write the figures in Bencher Metric Format", 0, 0},
	    {"benchmark", 0, OPTION_TEXT, &o->benchmark, "FILE", "write the figures for github-action-benchmark", 0, 0},
	    {"github", 0, OPTION_FLAG, &o->github, NULL, "print GitHub annotations, and append to $GITHUB_STEP_SUMMARY",
	        0, 0},
	    REPORT_OPTIONS_SYMBOLS(c->report),
	    {"json", 0, OPTION_OPTIONAL, &c->report.json, "FILE", "print JSON, or write it to FILE besides the text", 0,
	        0},
	    {"strict", 0, OPTION_FLAG, &c->report.strict, NULL,
	        "pass only what is whole, and only if a leak of that size would have been seen", 0, 0},
	    REPORT_OPTIONS_END};
	const struct option_table table = {"gate [OPTION...] FILE...",
	    "Judge recordings by budgets and by a baseline: exit status 0 pass, 1 fail, 3 inconclusive, 4 incomplete.",
	    options, false};
	argc = join_json(argc, argv);
	return option_parse(&table, argc, argv, err);
}

int gate_command_new(struct gate_command **out, int argc, char **argv, struct err *err)
{
	struct gate_command *c = *out = calloc(1, sizeof(*c));
	if (!c)
		return err_memory(err);
	gate_config_init(&c->config);
	int n = parse(c, argc, argv, err);
	int result = n < 0 ? n : prepare(c, err);
	return result < 0 ? result : n;
}
