/* What all reports share: see report.h. */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "late_names.h"
#include "launch/session_files.h"

void report_options_release(struct report_options *options)
{
	free(options->debug_dirs.items);
	free(options->suppression_files.items);
	free(options->group_rules.items);
}

static size_t limited(uint64_t limit, size_t n)
{
	return limit && limit < n ? (size_t)limit : n;
}

size_t report_text_limit(const struct report_options *options, size_t n, size_t by_default)
{
	return limited(options->limit == REPORT_NO_LIMIT ? by_default : options->limit, n);
}

size_t report_json_limit(const struct report_options *options, size_t n)
{
	return limited(options->limit, n);
}

int report_operands(int found, int wanted, const char *command, struct err *err)
{
	if (found == wanted)
		return 0;
	return err_set(err, TIDEMARK_ERR_USAGE, "%s; see tidemark %s --help",
	    found < wanted ? "no recording named" : "more than one recording named", command);
}

int report_cost(const struct report_options *options, enum cost *cost, struct err *err)
{
	if (cost_parse(options->cost_name, cost))
		return 0;
	return err_set(err, TIDEMARK_ERR_USAGE, "unknown cost '%s'; there are " COST_NAMES, options->cost_name);
}

int report_groups(const struct report_options *options, struct groups *groups, struct err *err)
{
	return groups_init(groups, options->group_rules.items, options->group_rules.n_items, err);
}

json_t *report_group_rules(const struct report_options *options)
{
	json_t *list = json_array();
	for (size_t i = 0; i < options->group_rules.n_items; i++)
		json_array_append_new(list, json_text(options->group_rules.items[i]));
	return list;
}

static int read_profile(struct report *report, const char *path, const struct report_window *window, struct err *err)
{
	char *what = NULL;
	if (asprintf(&what, "reading '%s'", path) < 0)
		return err_memory(err);
	struct progress progress;
	progress_init(&progress, what);
	struct profile_options wanted = {.n_points = window->n_points,
	    .from = window->from,
	    .to = window->to,
	    .whole_live = window->whole_live,
	    .by_thread = window->by_thread,
	    .waiting = say_waiting,
	    .progress = progress_show,
	    .progress_arg = &progress};
	int result = profile_read(&report->profile, path, &wanted, err);
	progress_release(&progress);
	free(what);
	return result;
}

int report_open(struct report *report, const char *path, const struct report_options *options,
    const struct report_window *window, struct resolver *resolver, struct err *err)
{
	*report = (struct report){.options = options};
	int result = read_profile(report, path, window, err);
	if (result < 0)
		return result;
	report->resolver = resolver;
	if (resolver)
		return 0;
	struct resolver_options wanted = {.sysroot = options->sysroot,
	    .debug_dirs = options->debug_dirs.items,
	    .n_debug_dirs = options->debug_dirs.n_items,
	    .no_debug_files = options->no_debug_files};
	result = resolver_new(&report->resolver, &wanted, err);
	report->owns_resolver = true;
	if (result < 0)
		report_close(report);
	return result;
}

void report_close(struct report *report)
{
	if (report->owns_resolver)
		resolver_free(report->resolver);
	profile_free(report->profile);
	*report = (struct report){0};
}

int report_stacks(struct report *report, struct stacks *stacks, unsigned source, struct err *err)
{
	return resolver_add_stacks(report->resolver, stacks, report->profile, source, err);
}

void report_add_embedded(const struct trace *trace, struct suppressions *suppressions)
{
	const char *text = trace->meta[TIDEMARK_META_SUPPRESSIONS];
	struct err err;
	if (text && suppressions_add_text(
	                suppressions, text, trace->meta_bytes[TIDEMARK_META_SUPPRESSIONS], "program", &err) < 0)
		say("the suppressions that the program brings with it end early: %s", err.text);
}

static int add_files(const struct report *report, struct suppressions *suppressions, struct err *err)
{
	const struct option_list *files = &report->options->suppression_files;
	int result = 0;
	for (size_t i = 0; i < files->n_items && !result; i++)
		result = suppressions_add_file(suppressions, files->items[i], err);
	return result;
}

int report_leaks(struct report *report, const struct stacks *stacks, struct suppressions *suppressions,
    struct leaks *leaks, struct err *err)
{
	int result = add_files(report, suppressions, err);
	if (result < 0)
		return result;
	report_add_embedded(report->profile->trace, suppressions);
	if (!report->options->no_built_in)
		result = suppressions_add_text(
		    suppressions, suppressions_built_in, strlen(suppressions_built_in), "built-in", err);
	if (result < 0)
		return result;
	return leaks_collect(leaks, stacks, suppressions, resolver_callee, report->resolver, err);
}

int report_drop_suppressed(const struct report *report, struct stacks *stacks, struct err *err)
{
	struct suppressions suppressions = {0};
	struct leaks leaks = {0};
	char bytes[SIZE_TEXT_BYTES];
	int result = 0;
	if (!report->options->suppression_files.n_items)
		return 0;
	result = add_files(report, &suppressions, err);
	if (!result)
		result = leaks_collect(&leaks, stacks, &suppressions, resolver_callee, report->resolver, err);
	for (size_t i = 0; i < leaks.n_items && !result; i++)
		if (leaks.items[i].kind == LEAK_SUPPRESSED) {
			struct stack_row *row = &stacks->rows[leaks.items[i].row - stacks->rows];
			for (int source = 0; source < 2; source++)
				row->sums[source].live_blocks = row->sums[source].live_bytes = 0;
		}
	if (!result && leaks.sums[LEAK_SUPPRESSED].blocks)
		say("%s alive at the end left out, as --suppressions says",
		    size_text(bytes, leaks.sums[LEAK_SUPPRESSED].bytes));
	leaks_release(&leaks);
	suppressions_release(&suppressions);
	return result;
}

/* --- what is wrong with a recording --- */

uint64_t report_lost_events(const struct report *report)
{
	uint64_t told = report->profile->trace->counters[TIDEMARK_COUNTER_LOST_EVENTS];
	uint64_t seen = report->profile->totals.lost_events;
	return told > seen ? told : seen;
}

static bool is_whole(const struct report *report)
{
	return report->profile->trace->complete && !report_lost_events(report);
}

void report_add_warning(struct report_warnings *warnings, const char *format, ...)
{
	if (warnings->n == REPORT_MAX_WARNINGS)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(warnings->text[warnings->n++], sizeof(warnings->text[0]), format, args);
	va_end(args);
}

static void warn_of_end(
    const struct trace *trace, const struct profile_totals *totals, struct report_warnings *warnings)
{
	char time[SIZE_TEXT_BYTES];
	time_text(time, totals->end_tick * TIDEMARK_TICK_NS);
	if (!trace->complete) {
		report_add_warning(warnings,
		    "the recording is incomplete: %s; figures cover its first %s, "
		    "and what was alive then counts as leaked",
		    trace->damage[0] ? trace->damage : "it has no end", time);
		return;
	}
	uint64_t reason = trace->counters[TIDEMARK_COUNTER_END_REASON];
	if (reason == TIDEMARK_END_DETACHED)
		report_add_warning(warnings,
		    "the program stopped recording after %s because nothing took its events: figures end there", time);
}

/* Sentences for people, most serious first. */
static void warn(const struct report *report, struct report_warnings *warnings)
{
	const struct trace *trace = report->profile->trace;
	char count[SIZE_TEXT_BYTES];
	warnings->n = 0;
	warn_of_end(trace, &report->profile->totals, warnings);
	uint64_t lost = report_lost_events(report);
	if (lost)
		report_add_warning(warnings,
		    "%s event%s lost: allocations are undercounted, and a lost free looks like a leak",
		    count_text(count, lost), lost == 1 ? " was" : "s were");
	uint64_t stackless = trace->counters[TIDEMARK_COUNTER_LOST_STACKS];
	if (stackless)
		report_add_warning(warnings, "%s allocation%s no stack: the memory for stacks was full",
		    count_text(count, stackless), stackless == 1 ? " has" : "s have");
	bool lives_on = trace->counters[TIDEMARK_COUNTER_END_REASON] == TIDEMARK_END_EXEC;
	if (trace->complete && !trace->counters[TIDEMARK_COUNTER_ALLOCATIONS] && !lives_on &&
	    !(trace->header.flags & TIDEMARK_FILE_FORKED))
		report_add_warning(warnings, "no allocation was seen: the program made none, "
		                             "or it has an allocator of its own inside, which cannot be recorded");
}

void report_print_sentences(const struct term *term, const struct report_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++) {
		fputs("WARNING: ", term->out);
		term_text(term, warnings->text[i], sizeof(warnings->text[i]));
		fputc('\n', term->out);
	}
	if (warnings->n)
		fputc('\n', term->out);
}

void report_print_warnings(const struct term *term, const struct report *report)
{
	struct report_warnings warnings;
	warn(report, &warnings);
	report_print_sentences(term, &warnings);
}

void report_print_others(const struct term *term, const struct report *report)
{
	struct session_files others;
	char names[SESSION_FILES_TEXT_BYTES];
	const char *given = report->profile->trace->path;
	if (!session_files_others(&others, &given, 1, NULL) && others.n_items) {
		fprintf(term->out, "its session left %zu more recording%s beside it: ", others.n_items,
		    plural(others.n_items));
		term_text(term, session_files_text(&others, names), sizeof(names));
		fputc('\n', term->out);
	}
	session_files_release(&others);
}

void report_say_warnings(const struct report *report)
{
	struct report_warnings warnings;
	warn(report, &warnings);
	for (size_t i = 0; i < warnings.n; i++)
		say("'%s': %s", report->profile->trace->path, warnings.text[i]);
}

const char *report_title(const struct report *report, char *text, size_t n)
{
	const struct trace *trace = report->profile->trace;
	snprintf(text, n, "%s (pid %" PRIu32 ")", trace_program(trace), trace->header.pid);
	return text;
}

static json_t *json_session(const struct trace *trace)
{
	char text[33];
	for (size_t i = 0; i < sizeof(trace->header.session_id); i++)
		snprintf(text + 2 * i, 3, "%02x", trace->header.session_id[i]);
	return json_string(text);
}

static json_t *json_command(const struct trace *trace)
{
	json_t *list = json_array();
	const char *text = trace->meta[TIDEMARK_META_CMDLINE];
	const char *end = text ? text + trace->meta_bytes[TIDEMARK_META_CMDLINE] : NULL;
	for (; text && text < end; text += strlen(text) + 1)
		json_array_append_new(list, json_text(text));
	return list;
}

static json_t *json_others(const struct trace *trace)
{
	struct session_files others;
	const char *given = trace->path;
	json_t *list = json_array();
	if (!session_files_others(&others, &given, 1, NULL))
		for (size_t i = 0; i < others.n_items; i++)
			json_array_append_new(list, json_text(others.items[i]));
	session_files_release(&others);
	return list;
}

static json_t *json_recording(const struct trace *trace)
{
	const char *exe = trace->meta[TIDEMARK_META_EXE];
	json_t *recording = json_object();
	json_object_set_new(recording, "file", json_text(trace->path));
	json_object_set_new(recording, "program", json_text(exe ? exe : ""));
	json_object_set_new(recording, "command", json_command(trace));
	json_object_set_new(recording, "pid", json_count(trace->header.pid));
	json_object_set_new(recording, "parent_pid", json_count(trace->header.parent_pid));
	json_object_set_new(recording, "session", json_session(trace));
	json_object_set_new(recording, "others_of_session", json_others(trace));
	json_object_set_new(recording, "started", json_real((double)trace->header.start_real_ns / 1e9));
	return recording;
}

static json_t *json_window(const struct profile_totals *totals)
{
	json_t *window = json_object();
	json_object_set_new(window, "start", json_seconds(totals->start_tick));
	json_object_set_new(window, "end", json_seconds(totals->end_tick));
	return window;
}

json_t *report_json_head(const struct report *report, const char *schema)
{
	const struct trace *trace = report->profile->trace;
	struct report_warnings warnings;
	warn(report, &warnings);
	json_t *list = json_array();
	for (size_t i = 0; i < warnings.n; i++)
		json_array_append_new(list, json_text(warnings.text[i]));
	json_t *head = json_object();
	json_object_set_new(head, "schema", json_string(schema));
	json_object_set_new(head, "recording", json_recording(trace));
	json_object_set_new(head, "complete", json_boolean(trace->complete));
	json_object_set_new(head, "lost_events", json_count(report_lost_events(report)));
	json_object_set_new(head, "warnings", list);
	if (report->options->from || report->options->to)
		json_object_set_new(head, "window", json_window(&report->profile->totals));
	return head;
}

int report_status(const struct report *report)
{
	return report->options->strict && !is_whole(report) ? CMD_INCOMPLETE : CMD_OK;
}
