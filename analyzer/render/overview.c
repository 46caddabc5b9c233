/* summary's figures as text and JSON: see overview.h. docs/metrics.md defines each. */
#include "render/overview.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "core/group.h"
#include "render/apis.h"
#include "render/chart.h"
#include "render/json.h"
#include "tidemark/ring.h"

#define STACK_FRAMES 6
#define LIBRARY_FRAMES 3 /* of a stack whose program comes later than that */
#define STACK_INDENT 14
#define CHART_ROWS 6
#define LOG_WIDTH 160

static const char *ticks_text(char text[SIZE_TEXT_BYTES], uint64_t ticks)
{
	return time_text(text, ticks * TIDEMARK_TICK_NS);
}

/* For programs. */
static const char *end_name(const struct trace *trace)
{
	static const char *const names[] = {"unknown", "exit", "signal", "exec", "unknown", "detached"};
	uint64_t reason = trace->counters[TIDEMARK_COUNTER_END_REASON];
	if (!trace->complete)
		return "incomplete";
	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}

const char *end_text(const struct trace *trace, char *text, size_t n)
{
	uint64_t value = trace->counters[TIDEMARK_COUNTER_END_VALUE];
	switch (trace->complete ? trace->counters[TIDEMARK_COUNTER_END_REASON] : UINT64_MAX) {
	case TIDEMARK_END_EXIT:
		snprintf(text, n, "exited with status %" PRIu64, value);
		break;
	case TIDEMARK_END_SIGNAL:
		snprintf(
		    text, n, "was killed by signal %" PRIu64 " (%s)", value, value < 65 ? strsignal((int)value) : "?");
		break;
	case TIDEMARK_END_EXEC:
		snprintf(text, n, "became another program (exec)%s", value ? ", which has a recording of its own" : "");
		break;
	case TIDEMARK_END_DETACHED:
		snprintf(text, n, "stopped recording");
		break;
	case TIDEMARK_END_UNKNOWN:
		snprintf(text, n, "ended, nobody could say how");
		break;
	default:
		snprintf(text, n, "has no recorded end");
		break;
	}
	return text;
}

/* --- text --- */

static void line(const struct term *term, const char *name, const char *value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void line(const struct term *term, const char *name, const char *value, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(term->out, "  %-12s %12s   ", name, value);
	vfprintf(term->out, format, args);
	fputc('\n', term->out);
	va_end(args);
}

static void print_part(const struct term *term, const char *name, const struct leak_sum *sum, const char *remark)
{
	char bytes[SIZE_TEXT_BYTES], blocks[SIZE_TEXT_BYTES];
	if (sum->blocks)
		line(term, name, size_text(bytes, sum->bytes), "in %s block%s%s", count_text(blocks, sum->blocks),
		    plural(sum->blocks), remark);
}

static void print_totals(const struct term *term, const struct overview *o)
{
	const struct profile_totals *t = &o->profile->totals;
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];
	line(term, "allocations", count_text(a, t->allocations), "%s in all", size_text(b, t->allocated_bytes));
	if (t->reallocations)
		line(term, "frees", count_text(a, t->frees), "of them %s by realloc", count_text(c, t->reallocations));
	else
		line(term, "frees", count_text(a, t->frees), "none of them by realloc");
	line(term, "temporary", count_text(a, t->temporary),
	    "%.1f %% of allocations were freed by their thread before its next one",
	    t->allocations ? 100.0 * (double)t->temporary / (double)t->allocations : 0.0);
	line(term, "peak heap", size_text(a, t->peak_heap_bytes), "in %s block%s, after %s",
	    count_text(b, t->peak_heap_blocks), plural(t->peak_heap_blocks), ticks_text(c, t->peak_tick));
	if (t->peak_rss_bytes > t->peak_rss_sample_bytes)
		line(term, "peak RSS", size_text(a, t->peak_rss_bytes),
		    "of the whole process with Tidemark in it, between two samples");
	else if (t->peak_rss_bytes)
		line(term, "peak RSS", size_text(a, t->peak_rss_bytes),
		    "of the whole process with Tidemark in it, after %s", ticks_text(c, t->peak_rss_tick));
	else
		line(term, "peak RSS", "unknown", "no sample was taken");
	line(term, "leaked", size_text(a, t->leaked_bytes), "in %s block%s alive at the end%s",
	    count_text(b, t->leaked_blocks), plural(t->leaked_blocks), t->leaked_blocks ? ", of which:" : "");
	print_part(term, "  program", &o->leaks->sums[LEAK_PROGRAM], "");
	print_part(term, "  runtime", &o->leaks->sums[LEAK_RUNTIME], ", libc's and the loader's own");
	print_part(term, "  suppressed", &o->leaks->sums[LEAK_SUPPRESSED], "");
}

static void print_chart(const struct term *term, const struct overview *o)
{
	const struct profile *p = o->profile;
	char peak[SIZE_TEXT_BYTES];
	uint64_t *values = calloc(p->n_points + 1, sizeof(*values));
	uint64_t *marks = calloc(p->n_marks + 1, sizeof(*marks));
	for (uint32_t i = 0; values && i < p->n_points; i++)
		values[i] = p->points[i].heap_max_bytes;
	for (uint32_t i = 0; marks && i < p->n_marks; i++)
		marks[i] = p->marks[i].tick;
	struct chart chart = {.values = values,
	    .n_values = p->n_points,
	    .height = CHART_ROWS,
	    .end_ticks = p->totals.end_tick,
	    .mark_ticks = marks,
	    .n_marks = p->n_marks};
	if (values && marks && p->n_points && p->totals.peak_heap_bytes) {
		fprintf(term->out, "\nHeap over time (largest %s)\n", size_text(peak, p->totals.peak_heap_bytes));
		chart_draw(term, &chart);
	}
	for (uint32_t i = 0; i < p->n_marks && i < 9 && values && marks; i++) {
		fprintf(term->out, "  mark %u: ", i + 1);
		term_text(term, p->trace->strings[p->marks[i].name], 60);
		fprintf(term->out, " at %s\n", ticks_text(peak, p->marks[i].tick));
	}
	if (p->n_marks > 9)
		fprintf(term->out, "  and %u more mark%s\n", p->n_marks - 9, plural(p->n_marks - 9));
	free(values);
	free(marks);
}

/* What calls main() says nothing on a first look. */
static size_t without_start(const struct frame_view *const *frames, size_t n)
{
	for (size_t i = 1; i <= 4 && i < n; i++)
		if (!strcmp(frames[n - i]->function, "main"))
			return n - i + 1;
	return n;
}

static bool is_own(const struct frame_view *frame)
{
	bool main = frame->origin && frame->origin->flags & TIDEMARK_MODULE_MAIN;
	return main && !group_is_language(frame->function, frame->module);
}

/* The innermost frame of the program itself, n when there is none. */
static size_t first_own(const struct frame_view *const *frames, size_t n)
{
	size_t i = 0;
	while (i < n && !is_own(frames[i]))
		i++;
	return i;
}

/* The frames that tell stacks apart: inside a library they begin alike, so the program's own, which called it, must be
 * among those shown. */
static void print_frames(const struct term *term, const struct frame_view *const *frames, size_t n)
{
	size_t own = first_own(frames, n);
	if (own < STACK_FRAMES || own == n) {
		term_stack(term, frames, n, STACK_INDENT, STACK_FRAMES);
		return;
	}
	term_stack(term, frames, LIBRARY_FRAMES, STACK_INDENT, 0);
	fprintf(term->out, "%*s... %zu more frames\n", STACK_INDENT, "", own - LIBRARY_FRAMES);
	term_stack(term, frames + own, n - own, STACK_INDENT, STACK_FRAMES - LIBRARY_FRAMES);
}

/* Also where nothing else is cut: in a log, names of C++ templates would bury everything else. */
static void print_stack(const struct term *term, const struct overview *o, uint32_t node)
{
	struct term narrow = *term;
	const struct frame_view **frames = NULL;
	size_t capacity = 0, n = stacks_frames(o->stacks, node, &frames, &capacity);
	if (!term->terminal) {
		narrow.terminal = true;
		narrow.width = LOG_WIDTH;
	}
	print_frames(&narrow, frames, without_start(frames, n));
	free(frames);
}

static void print_top_leaks(const struct term *term, const struct overview *o)
{
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];
	if (!o->n_top_leaks) {
		fputs("\nNo leaks of the program's own.\n", term->out);
		return;
	}
	fputs("\nTop leaks (alive at the end)\n", term->out);
	for (size_t i = 0; i < o->n_top_leaks; i++) {
		const struct profile_row *sums = &o->top_leaks[i]->row->sums[0];
		fprintf(term->out, "  %10s  in %s block%s, of %s allocated\n", size_text(a, sums->live_bytes),
		    count_text(b, sums->live_blocks), plural(sums->live_blocks), count_text(c, sums->allocations));
		print_stack(term, o, o->top_leaks[i]->row->node);
	}
}

static void print_top_peaks(const struct term *term, const struct overview *o)
{
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES];
	double peak = (double)o->profile->totals.peak_heap_bytes;
	if (!o->n_top_peaks)
		return;
	fprintf(term->out, "\nTop of the peak (alive when the heap was largest)\n");
	for (size_t i = 0; i < o->n_top_peaks; i++) {
		const struct profile_row *sums = &o->top_peaks[i]->sums[0];
		fprintf(term->out, "  %10s  in %s block%s, %.1f %% of the heap\n", size_text(a, sums->peak_bytes),
		    count_text(b, sums->peak_blocks), plural(sums->peak_blocks),
		    peak > 0 ? 100.0 * (double)sums->peak_bytes / peak : 0.0);
		print_stack(term, o, o->top_peaks[i]->node);
	}
}

struct counted {
	uint64_t count;
	const char *what; /* in the singular; an s makes its plural */
	const char *more;
};

static void print_counted(const struct term *term, const struct counted *counted)
{
	char count[SIZE_TEXT_BYTES];
	fprintf(term->out, "  %12s  %s%s%s\n", count_text(count, counted->count), counted->what, plural(counted->count),
	    counted->more);
}

/* One line for each kind of loss that happened. */
static void print_losses(const struct term *term, const struct overview *o)
{
	const struct profile_totals *totals = &o->profile->totals;
	const uint64_t *c = o->profile->trace->counters;
	char time[SIZE_TEXT_BYTES], waited[SIZE_TEXT_BYTES + 64];
	snprintf(waited, sizeof(waited), " the program had to wait for the recorder, %s in all",
	    time_text(time, c[TIDEMARK_COUNTER_STALL_NS]));
	const struct counted all[] = {
	    {o->lost_events, "lost event", ": figures are too small, and a lost free looks like a leak"},
	    {c[TIDEMARK_COUNTER_LOST_STACKS], "allocation", " without a stack: the memory for stacks was full"},
	    {c[TIDEMARK_COUNTER_CUT_STACKS], "stack", " deeper than the limit: the middle is left out, marked [cut]"},
	    {c[TIDEMARK_COUNTER_BROKEN_STACKS], "stack", " that could not be followed to the root, marked [broken]"},
	    {c[TIDEMARK_COUNTER_EARLY_EVENTS], "event",
	        " before the recorder was ready, without a stack, marked [early]"},
	    {totals->unknown_frees, "free", " of memory that was never seen to be allocated"},
	    {totals->inherited_frees, "free", " of memory inherited from the parent process: not in these figures"},
	    {totals->implicit_frees, "block", " ended without a free that was seen: the address was handed out again"},
	    {c[TIDEMARK_COUNTER_REORDERED], "allocation",
	        " that waited for the free of the same address on another thread"},
	    {c[TIDEMARK_COUNTER_LOST_NAMES], "name", " of marks or operations for which there was no room"},
	    {c[TIDEMARK_COUNTER_STALLS], "time", waited},
	};
	bool any = false;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		any |= all[i].count != 0;
	fprintf(term->out, "\nLosses and oddities%s\n", any ? "" : ": none");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].count)
			print_counted(term, &all[i]);
}

static void print_footprint(const struct term *term, const struct overview *o)
{
	const uint64_t *c = o->profile->trace->counters;
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], file[SIZE_TEXT_BYTES];
	fputs("\nTidemark itself\n", term->out);
	if (o->profile->trace->complete)
		fprintf(term->out, "  %12s  in the program's memory (part of its RSS), %s in the collector beside it\n",
		    size_text(a, c[TIDEMARK_COUNTER_SHIM_BYTES]), size_text(b, c[TIDEMARK_COUNTER_COLLECTOR_PEAK_RSS]));
	fprintf(term->out, "  %12s  recording, %.2f bytes an event\n", size_text(file, o->profile->trace->file_bytes),
	    o->profile->totals.events ? (double)o->profile->trace->file_bytes / (double)o->profile->totals.events
	                              : 0.0);
}

static void print_next(const struct term *term, const struct overview *o)
{
	const char *path = o->profile->trace->path;
	fputs("\nMore\n", term->out);
	fprintf(term->out, "  all leaks            tidemark leaks %s\n", path);
	fprintf(term->out,
	    "  flame graph of peak  tidemark folded --cost peak %s | flamegraph.pl --countname bytes > peak.svg\n",
	    path);
	fprintf(term->out, "  picture over time    tidemark timeline --svg=timeline.svg %s\n", path);
}

void overview_print(const struct term *term, const struct overview *o)
{
	print_totals(term, o);
	print_chart(term, o);
	print_top_leaks(term, o);
	print_top_peaks(term, o);
	print_losses(term, o);
	print_footprint(term, o);
	print_next(term, o);
}

/* --- JSON --- */

static json_t *json_end_of(const struct trace *trace)
{
	json_t *end = json_object();
	json_object_set_new(end, "reason", json_string(end_name(trace)));
	if (trace->complete && (trace->counters[TIDEMARK_COUNTER_END_REASON] == TIDEMARK_END_EXIT ||
	                           trace->counters[TIDEMARK_COUNTER_END_REASON] == TIDEMARK_END_SIGNAL))
		json_add(end, {"value", trace->counters[TIDEMARK_COUNTER_END_VALUE]});
	return end;
}

static json_t *json_apis(const struct profile_totals *totals)
{
	json_t *apis = json_object();
	for (unsigned i = 0; i < 16 && api_name(i); i++) {
		if (!totals->by_api[i][0])
			continue;
		json_t *api = json_object();
		json_add(api, {"allocations", totals->by_api[i][0]}, {"bytes", totals->by_api[i][1]});
		json_object_set_new(apis, api_name(i), api);
	}
	return apis;
}

static json_t *json_marks(const struct profile *profile)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < profile->n_marks; i++)
		json_array_append_new(list, json_mark(profile, &profile->marks[i]));
	return list;
}

static json_t *json_top(const struct overview *o, const struct stack_row *row)
{
	const struct frame_view **frames = NULL;
	size_t capacity = 0, n = stacks_frames(o->stacks, row->node, &frames, &capacity);
	const struct profile_row *sums = &row->sums[0];
	json_t *item = json_object();
	json_add(item, {"leaked_bytes", sums->live_bytes}, {"leaked_blocks", sums->live_blocks},
	    {"peak_bytes", sums->peak_bytes}, {"peak_blocks", sums->peak_blocks}, {"allocations", sums->allocations},
	    {"allocated_bytes", sums->allocated_bytes});
	json_object_set_new(item, "frames", json_frames(frames, n));
	free(frames);
	return item;
}

static void add_losses(json_t *head, const struct overview *o)
{
	const struct profile_totals *totals = &o->profile->totals;
	const uint64_t *c = o->profile->trace->counters;
	json_add(head, {"unknown_frees", totals->unknown_frees}, {"inherited_frees", totals->inherited_frees},
	    {"implicit_frees", totals->implicit_frees}, {"early_events", c[TIDEMARK_COUNTER_EARLY_EVENTS]},
	    {"cut_stacks", c[TIDEMARK_COUNTER_CUT_STACKS]}, {"broken_stacks", c[TIDEMARK_COUNTER_BROKEN_STACKS]},
	    {"lost_stacks", c[TIDEMARK_COUNTER_LOST_STACKS]}, {"lost_names", c[TIDEMARK_COUNTER_LOST_NAMES]},
	    {"reordered", c[TIDEMARK_COUNTER_REORDERED]}, {"stalls", c[TIDEMARK_COUNTER_STALLS]});
	json_object_set_new(head, "stall_time", json_real((double)c[TIDEMARK_COUNTER_STALL_NS] / 1e9));
	json_add(head, {"shim_bytes", c[TIDEMARK_COUNTER_SHIM_BYTES]},
	    {"collector_peak_rss_bytes", c[TIDEMARK_COUNTER_COLLECTOR_PEAK_RSS]},
	    {"file_bytes", o->profile->trace->file_bytes});
}

static void add_totals(json_t *head, const struct overview *o)
{
	const struct profile_totals *t = &o->profile->totals;
	const struct leak_sum *sums = o->leaks->sums;
	json_add(head, {"events", t->events}, {"allocations", t->allocations}, {"frees", t->frees},
	    {"reallocations", t->reallocations}, {"allocated_bytes", t->allocated_bytes},
	    {"temporary_allocations", t->temporary}, {"peak_heap_bytes", t->peak_heap_bytes},
	    {"peak_heap_blocks", t->peak_heap_blocks}, {"peak_rss_bytes", t->peak_rss_bytes},
	    {"leaked_bytes", t->leaked_bytes}, {"leaked_blocks", t->leaked_blocks},
	    {"program_bytes", sums[LEAK_PROGRAM].bytes}, {"program_blocks", sums[LEAK_PROGRAM].blocks},
	    {"runtime_bytes", sums[LEAK_RUNTIME].bytes}, {"runtime_blocks", sums[LEAK_RUNTIME].blocks},
	    {"suppressed_bytes", sums[LEAK_SUPPRESSED].bytes}, {"suppressed_blocks", sums[LEAK_SUPPRESSED].blocks});
	json_object_set_new(head, "peak_heap_time", json_seconds(t->peak_tick));
	json_object_set_new(head, "peak_rss_time", json_seconds(t->peak_rss_tick));
}

void overview_json(json_t *head, const struct overview *o)
{
	json_object_set_new(head, "end", json_end_of(o->profile->trace));
	json_object_set_new(head, "duration", json_seconds(o->profile->totals.end_tick));
	add_totals(head, o);
	add_losses(head, o);
	json_object_set_new(head, "apis", json_apis(&o->profile->totals));
	json_object_set_new(head, "marks", json_marks(o->profile));
	json_t *leaks = json_array(), *peaks = json_array();
	for (size_t i = 0; i < o->n_top_leaks; i++)
		json_array_append_new(leaks, json_top(o, o->top_leaks[i]->row));
	for (size_t i = 0; i < o->n_top_peaks; i++)
		json_array_append_new(peaks, json_top(o, o->top_peaks[i]));
	json_object_set_new(head, "top_leaks", leaks);
	json_object_set_new(head, "top_peaks", peaks);
}
