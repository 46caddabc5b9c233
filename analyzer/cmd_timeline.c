/* tidemark timeline: heap, RSS and its parts over time. Enters: a recording. Leaves: a chart in the terminal, CSV, JSON
 * or an SVG picture; docs/metrics.md defines the parts, docs/json.md the keys and columns. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "core/parts.h"
#include "render/chart.h"
#include "render/picture.h"
#include "report.h"

#define FILE_POINTS 500
#define HEAP_ROWS 12
#define RSS_ROWS 8
#define TEXT_MARKS 20u
#define SCHEMA "tidemark/timeline/1"

struct timeline_options {
	struct report_options common;
	const char *csv, *svg; /* as report_options.json */
	uint64_t n_points;     /* 0: what suits the output */
};

/* --- text --- */

/* The largest of the points that fall into each column. */
static void fill_columns(const struct profile *p, bool rss, uint64_t *values, size_t n)
{
	for (uint32_t i = 0; i < p->n_points; i++) {
		uint64_t value = rss ? p->points[i].rss_max_bytes : p->points[i].heap_max_bytes;
		size_t first = (size_t)((uint64_t)i * n / p->n_points),
		       last = (size_t)(((uint64_t)i + 1) * n / p->n_points);
		for (size_t column = first; column < n && (column < last || column == first); column++)
			values[column] = value > values[column] ? value : values[column];
	}
}

static int print_chart(const struct term *term, const struct profile *p, bool rss)
{
	size_t n = chart_columns(term);
	uint64_t *values = calloc(n, sizeof(*values));
	uint64_t *marks = calloc((size_t)p->n_marks + 1, sizeof(*marks));
	if (values && marks) {
		fill_columns(p, rss, values, n);
		for (uint32_t i = 0; i < p->n_marks; i++)
			marks[i] = p->marks[i].tick;
		struct chart chart = {.values = values,
		    .n_values = n,
		    .height = rss ? RSS_ROWS : HEAP_ROWS,
		    .end_ticks = p->totals.end_tick,
		    .mark_ticks = marks,
		    .n_marks = p->n_marks};
		chart_draw(term, &chart);
	}
	int result = values && marks ? 0 : -1;
	free(values);
	free(marks);
	return result;
}

static const struct profile_point *largest_rss(const struct profile *p)
{
	const struct profile_point *largest = &p->points[0];
	for (uint32_t i = 1; i < p->n_points; i++)
		if (p->points[i].rss_bytes > largest->rss_bytes)
			largest = &p->points[i];
	return largest;
}

static void print_parts(const struct profile *p)
{
	const struct profile_point *point = largest_rss(p);
	struct rss_parts parts = rss_parts(point);
	bool is_peak = point->rss_bytes == p->totals.peak_rss_sample_bytes;
	uint64_t tick = is_peak ? p->totals.peak_rss_tick : point->tick;
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES];
	printf("\nWhere RSS was largest (%s, after %s):\n", size_text(a, parts.rss_bytes),
	    time_text(b, tick * TIDEMARK_TICK_NS));
	printf("  %10s  live heap, as requested\n", size_text(a, parts.heap_bytes));
	printf("  %10s  kept by the allocator, stacks and data (computed: anonymous memory without live heap)\n",
	    size_text(a, parts.retained_bytes));
	printf("  %10s  files and shared memory\n", size_text(a, parts.file_bytes));
	printf("  %10s  Tidemark's own\n", size_text(a, parts.tidemark_bytes));
	printf("  %10s  residual%s\n", size_delta_text(a, parts.residual_bytes),
	    parts.residual_bytes < 0 ? ": live heap that was not resident" : "");
}

static int print_text(const struct report *report, struct err *err)
{
	const struct profile *p = report->profile;
	char title[256], size[SIZE_TEXT_BYTES];
	struct term term;
	term_init(&term, stdout);
	report_print_warnings(&term, report);
	term_text(&term, report_title(report, title, sizeof(title)), 200);
	printf("\n\nHeap (largest %s)\n", size_text(size, p->totals.peak_heap_bytes));
	int result = p->totals.peak_heap_bytes ? print_chart(&term, p, false) : 0;
	if (!result && p->totals.peak_rss_bytes) {
		printf("\nRSS (largest %s)\n", size_text(size, p->totals.peak_rss_bytes));
		result = print_chart(&term, p, true);
		print_parts(p);
	}
	for (uint32_t i = 0; i < p->n_marks && i < TEXT_MARKS; i++) {
		printf("%s  mark %u: ", i ? "" : "\n", i + 1);
		term_text(&term, p->trace->strings[p->marks[i].name], 60);
		printf(" at %s\n", time_text(size, p->marks[i].tick * TIDEMARK_TICK_NS));
	}
	if (p->n_marks > TEXT_MARKS)
		printf("  and %u more; --json lists all\n", p->n_marks - TEXT_MARKS);
	return result ? err_memory(err) : 0;
}

/* --- CSV --- */

static void write_csv(FILE *out, const struct profile *p)
{
	fputs("time_s,heap_bytes,heap_max_bytes,rss_bytes,rss_max_bytes,"
	      "retained_bytes,file_bytes,tidemark_bytes,residual_bytes,mapped_bytes,allocations,frees\n",
	    out);
	for (uint32_t i = 0; i < p->n_points; i++) {
		const struct profile_point *point = &p->points[i];
		struct rss_parts parts = rss_parts(point);
		fprintf(out, "%.4f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
		    (double)point->tick / (1e9 / TIDEMARK_TICK_NS), point->heap_bytes, point->heap_max_bytes,
		    point->rss_bytes, point->rss_max_bytes);
		fprintf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
		    parts.retained_bytes, parts.file_bytes, parts.tidemark_bytes, parts.residual_bytes,
		    point->mapped_bytes, point->allocations, point->frees);
	}
}

/* --- JSON --- */

static json_t *json_point(const struct profile_point *point)
{
	struct rss_parts parts = rss_parts(point);
	json_t *item = json_object();
	json_object_set_new(item, "time", json_seconds(point->tick));
	json_add(item, {"heap_bytes", point->heap_bytes}, {"heap_max_bytes", point->heap_max_bytes},
	    {"rss_bytes", point->rss_bytes}, {"rss_max_bytes", point->rss_max_bytes},
	    {"retained_bytes", parts.retained_bytes}, {"file_bytes", parts.file_bytes},
	    {"tidemark_bytes", parts.tidemark_bytes}, {"mapped_bytes", point->mapped_bytes},
	    {"allocations", point->allocations}, {"frees", point->frees});
	json_object_set_new(item, "residual_bytes", json_integer(parts.residual_bytes));
	return item;
}

static json_t *json_smaps(const struct profile_smaps *smaps)
{
	json_t *item = json_object();
	json_object_set_new(item, "time", json_seconds(smaps->tick));
	json_add(item, {"rss_bytes", smaps->rss}, {"pss_bytes", smaps->pss},
	    {"private_clean_bytes", smaps->private_clean}, {"private_dirty_bytes", smaps->private_dirty},
	    {"anonymous_bytes", smaps->anonymous}, {"swap_bytes", smaps->swap});
	return item;
}

static int write_json(const struct report *report, struct err *err)
{
	const struct profile *p = report->profile;
	struct json_out out;
	int result = json_open(&out, report->options->json, err);
	if (result < 0)
		return result;
	json_t *head = report_json_head(report, SCHEMA);
	json_object_set_new(head, "duration", json_seconds(p->totals.end_tick));
	json_add(head, {"peak_heap_bytes", p->totals.peak_heap_bytes}, {"peak_rss_bytes", p->totals.peak_rss_bytes});
	json_object_set_new(head, "peak_heap_time", json_seconds(p->totals.peak_tick));
	json_object_set_new(head, "peak_rss_time", json_seconds(p->totals.peak_rss_tick));
	json_begin(&out);
	json_head(&out, head);
	json_list(&out, "points");
	for (uint32_t i = 0; i < p->n_points; i++)
		json_element(&out, json_point(&p->points[i]));
	json_list_end(&out);
	json_list(&out, "marks");
	for (uint32_t i = 0; i < p->n_marks; i++)
		json_element(&out, json_mark(p, &p->marks[i]));
	json_list_end(&out);
	json_list(&out, "smaps");
	for (uint32_t i = 0; i < p->n_smaps; i++)
		json_element(&out, json_smaps(&p->smaps[i]));
	json_list_end(&out);
	json_end(&out);
	return json_close(&out, err);
}

/* --- the command --- */

static int write_picture(FILE *out, const struct report *report)
{
	char title[256];
	struct picture picture = {.profile = report->profile,
	    .title = report_title(report, title, sizeof(title)),
	    .warning = !report->profile->trace->complete ? "incomplete recording"
	               : report_lost_events(report)      ? "events were lost"
	                                                 : NULL};
	return picture_write(out, &picture);
}

/* Write CSV or SVG to a file or, without a name, to standard output. */
static int write_file(const struct report *report, const char *path, bool picture, struct err *err)
{
	FILE *out = output_open(path, err);
	int result = 0;
	if (!out)
		return err->code;
	if (picture)
		result = write_picture(out, report);
	else
		write_csv(out, report->profile);
	int closed = output_close(out, path, err);
	return result ? err_memory(err) : closed;
}

static bool to_stdout(const char *path)
{
	return path && !*path;
}

static int write_outputs(const struct report *report, const struct timeline_options *o, struct err *err)
{
	int result = 0;
	if (to_stdout(o->common.json) || to_stdout(o->csv) || to_stdout(o->svg))
		report_say_warnings(report);
	if (o->csv)
		result = write_file(report, o->csv, false, err);
	if (!result && o->svg)
		result = write_file(report, o->svg, true, err);
	if (!result && o->common.json)
		result = write_json(report, err);
	if (!result && !to_stdout(o->common.json) && !to_stdout(o->csv) && !to_stdout(o->svg))
		result = print_text(report, err);
	return result;
}

static int run(const char *path, const struct timeline_options *o, struct err *err)
{
	struct report report = {0};
	struct report_window window = {.n_points = o->n_points ? (uint32_t)o->n_points : FILE_POINTS};
	int result = 0;
	if (to_stdout(o->common.json) + to_stdout(o->csv) + to_stdout(o->svg) > 1)
		result = err_set(err, TIDEMARK_ERR_USAGE,
		    "only one of --json, --csv and --svg can go to standard output; name files: --svg=FILE");
	if (!result)
		result = report_open(&report, path, &o->common, &window, NULL, err);
	if (!result)
		result = write_outputs(&report, o, err);
	int status = result < 0 ? say_err(err) : report_status(&report);
	report_close(&report);
	return status;
}

int cmd_timeline(int argc, char **argv)
{
	struct timeline_options o = {0};
	const struct option options[] = {
	    {"csv", 0, OPTION_OPTIONAL, &o.csv, "FILE", "print comma-separated values, or write them to FILE", 0, 0},
	    {"svg", 0, OPTION_OPTIONAL, &o.svg, "FILE", "print a picture, or write it to FILE", 0, 0},
	    {"points", 0, OPTION_NUMBER, &o.n_points, "N", "divide the time into N equal spans (500)", 1, 1000000},
	    REPORT_OPTIONS_COMMON(o.common), REPORT_OPTIONS_END};
	const struct option_table table = {"timeline [OPTION...] FILE",
	    "Show heap and RSS over time: as a chart, or as CSV, JSON or a picture.", options, false};
	struct err err = {0};
	int status = CMD_OK;
	int n = option_parse(&table, argc, argv, &err);
	if (n >= 0 && !report_operands(n, 1, "timeline", &err))
		status = run(argv[1], &o, &err);
	else if (n != OPTION_HELP_SHOWN)
		status = say_err(&err);
	report_options_release(&o.common);
	return status;
}
