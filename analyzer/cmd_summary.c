/* tidemark summary: what a recording holds, on one screen or two. Enters: a recording. Leaves: text or JSON;
 * docs/metrics.md defines the figures, docs/json.md the keys. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "render/chart.h"
#include "render/overview.h"
#include "report.h"

#define TOP_STACKS 5
#define SCHEMA "tidemark/summary/1"

struct summary_report {
	struct report report;
	struct term term;
	struct stacks *stacks;
	struct suppressions suppressions;
	struct leaks leaks;
	size_t n_top; /* wanted */
	const struct leak **top_leaks;
	const struct stack_row **top_peaks;
	struct overview overview;
};

/* One word of the command line, as a shell would take it, nearly. returns: columns */
static unsigned print_word(const struct term *term, const char *word, unsigned room)
{
	bool quoted = !*word || word[strcspn(word, " \t\n'\"\\$*?;&|<>()`")];
	if (quoted)
		putchar('\'');
	unsigned columns = term_text(term, word, room);
	if (quoted)
		putchar('\'');
	return columns + 2 * quoted;
}

static void print_heading(const struct summary_report *s)
{
	const struct trace *trace = s->report.profile->trace;
	const char *command = trace->meta[TIDEMARK_META_CMDLINE];
	char title[256], end[128], time[SIZE_TEXT_BYTES];
	report_print_warnings(&s->term, &s->report);
	term_text(&s->term, report_title(&s->report, title, sizeof(title)), 200);
	const char *command_end = command ? command + trace->meta_bytes[TIDEMARK_META_CMDLINE] : NULL;
	unsigned room = 200;
	for (; command && command < command_end && room > 6; command += strlen(command) + 1) {
		fputs(room == 200 ? ": " : " ", stdout);
		room -= print_word(&s->term, command, room - 3) + 1;
	}
	printf("\nrecorded for %s; the process %s%s\n",
	    time_text(time, s->report.profile->totals.end_tick * TIDEMARK_TICK_NS), end_text(trace, end, sizeof(end)),
	    trace->header.flags & TIDEMARK_FILE_FORKED ? "; it was forked, its parent's blocks are not counted here"
	                                               : "");
	report_print_others(&s->term, &s->report);
	putchar('\n');
}

static int compare_peaks(const void *left, const void *right)
{
	const struct stack_row *a = *(const struct stack_row *const *)left,
	                       *b = *(const struct stack_row *const *)right;
	if (a->sums[0].peak_bytes != b->sums[0].peak_bytes)
		return a->sums[0].peak_bytes < b->sums[0].peak_bytes ? 1 : -1;
	return a->node < b->node ? -1 : a->node > b->node;
}

/* The rows are in the order of their leaks; those of the peak are sorted apart. */
static int find_top(struct summary_report *s, struct err *err)
{
	size_t n_leaks = 0, n_peaks = 0;
	s->top_leaks = calloc(s->leaks.n_items + 1, sizeof(struct leak *));
	s->top_peaks = calloc(s->stacks->n_rows + 1, sizeof(struct stack_row *));
	if (!s->top_leaks || !s->top_peaks)
		return err_memory(err);
	for (size_t i = 0; i < s->leaks.n_items && n_leaks < s->n_top; i++)
		if (s->leaks.items[i].kind == LEAK_PROGRAM)
			s->top_leaks[n_leaks++] = &s->leaks.items[i];
	for (size_t i = 0; i < s->stacks->n_rows; i++)
		if (s->stacks->rows[i].sums[0].peak_bytes)
			s->top_peaks[n_peaks++] = &s->stacks->rows[i];
	qsort(s->top_peaks, n_peaks, sizeof(*s->top_peaks), compare_peaks);
	s->overview = (struct overview){.profile = s->report.profile,
	    .leaks = &s->leaks,
	    .stacks = s->stacks,
	    .top_leaks = s->top_leaks,
	    .n_top_leaks = n_leaks,
	    .top_peaks = s->top_peaks,
	    .n_top_peaks = n_peaks < s->n_top ? n_peaks : s->n_top,
	    .lost_events = report_lost_events(&s->report)};
	return 0;
}

static int analyse(struct summary_report *s, const char *path, const struct report_options *options, struct err *err)
{
	struct report_window window = {.n_points = (uint32_t)chart_columns(&s->term)};
	int result = report_open(&s->report, path, options, &window, NULL, err);
	if (!result)
		result = stacks_new(&s->stacks, STACKS_EXACT, err);
	if (!result)
		result = report_stacks(&s->report, s->stacks, 0, err);
	if (result < 0)
		return result;
	stacks_sort(s->stacks, COST_LEAKED);
	result = report_leaks(&s->report, s->stacks, &s->suppressions, &s->leaks, err);
	return result < 0 ? result : find_top(s, err);
}

static int write_json(const struct summary_report *s, struct err *err)
{
	struct json_out out;
	int result = json_open(&out, s->report.options->json, err);
	if (result < 0)
		return result;
	json_t *head = report_json_head(&s->report, SCHEMA);
	overview_json(head, &s->overview);
	json_write(&out, head);
	return json_close(&out, err);
}

static int run(struct summary_report *s, const char *path, const struct report_options *options, struct err *err)
{
	term_init(&s->term, stdout);
	s->n_top = report_text_limit(options, SIZE_MAX, TOP_STACKS);
	int result = analyse(s, path, options, err);
	if (!result && options->json)
		result = write_json(s, err);
	if (!result && (!options->json || *options->json)) {
		print_heading(s);
		overview_print(&s->term, &s->overview);
	}
	int status = result < 0 ? say_err(err) : report_status(&s->report);
	free(s->top_leaks);
	free(s->top_peaks);
	leaks_release(&s->leaks);
	suppressions_release(&s->suppressions);
	stacks_free(s->stacks);
	report_close(&s->report);
	return status;
}

int cmd_summary(int argc, char **argv)
{
	struct report_options o = {.limit = REPORT_NO_LIMIT};
	struct summary_report s = {0};
	const struct option options[] = {REPORT_OPTIONS_LIMIT(o), REPORT_OPTIONS_SUPPRESS(o), REPORT_OPTIONS_SYMBOLS(o),
	    REPORT_OPTIONS_COMMON(o), REPORT_OPTIONS_END};
	const struct option_table table = {"summary [OPTION...] FILE",
	    "Show what a recording holds: totals, peak, leaks, the stacks behind them, and what was lost.", options,
	    false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n >= 0 && !report_operands(n, 1, "summary", &err))
		status = run(&s, argv[1], &o, &err);
	else if (n != OPTION_HELP_SHOWN)
		status = say_err(&err);
	report_options_release(&o);
	return status;
}
