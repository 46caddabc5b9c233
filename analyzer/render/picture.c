/* The timeline as SVG: see picture.h. The y axis begins at 0 and holds the largest of heap and RSS. Labels of marks
 * stand in lanes above the plot, so that they never cover data or each other; one that fits in no lane is left out and
 * counted. */
#include "render/picture.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "core/parts.h"
#include "render/axis.h"
#include "render/svg.h"

#define WIDTH 960
#define LEFT 84
#define RIGHT (WIDTH - 28)
#define HEAD 112 /* title, subtitle, legend */
#define PLOT_HEIGHT 320
#define LANE_HEIGHT 17
#define MAX_LANES 4
#define FOOT 62
#define SMALL 12.0 /* font size of labels */
#define EM 0.56    /* mean advance of a sans-serif letter, in font sizes; a little generous */
#define MAX_MARKS 200
#define MAX_LABEL 40        /* letters of a mark's name */
#define MAX_TITLE 48        /* letters of the title at its size, between the margins */
#define MAX_TITLE_BESIDE 36 /* the same with a warning to its right */
#define MAX_POINTS 2000     /* two for each pixel; a file with many more, few viewers open */

enum layer { LAYER_HEAP, LAYER_RETAINED, LAYER_FILE, LAYER_TIDEMARK, LAYERS };

struct drawing {
	FILE *out;
	const struct picture *picture;
	const struct profile *profile;
	struct profile_point *points;
	uint32_t n_points;
	struct rss_parts *parts; /* by point */
	bool has_rss;
	uint64_t top_bytes, step_bytes;
	uint64_t end_ticks;
	unsigned n_lanes;
	double plot_top, plot_bottom;
};

/* Plain rules, no variables: many converters to bitmaps know no more. They show the light colours. */
/* clang-format off */
static const char style[] =
    "<style>\n"
    "  :root { color-scheme: light dark; }\n"
    "  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', "
    "'DejaVu Sans', Arial, sans-serif; font-size: 12px; fill: #1f2933; }\n"
    "  .title { font-size: 20px; font-weight: 600; }\n"
    "  .soft { fill: #5f6b7a; }\n"
    "  .alarm, .mark-text { fill: #b4235f; }\n"
    "  .alarm { font-weight: 600; }\n"
    "  .paper { fill: #ffffff; }\n"
    "  .grid { stroke: #dfe4ea; stroke-width: 1; }\n"
    "  .axis { stroke: #9aa5b1; stroke-width: 1; }\n"
    "  .heap { fill: #a9cdf7; }\n"
    "  .retained { fill: #f6d08d; }\n"
    "  .file { fill: #d5dbe2; }\n"
    "  .own { fill: #d3c0f2; }\n"
    "  .heap-line, .rss-line { fill: none; stroke-linejoin: round; }\n"
    "  .heap-line { stroke: #1d6fd8; stroke-width: 2; }\n"
    "  .rss-line { stroke: #3b444f; stroke-width: 1.25; }\n"
    "  .mark { stroke: #b4235f; stroke-width: 1; stroke-dasharray: 4 3; }\n"
    "  .faint { stroke-opacity: 0.35; }\n"
    "  .dot { fill: #1d6fd8; stroke: #ffffff; stroke-width: 1.5; }\n"
    "  .halo { paint-order: stroke; stroke: #ffffff; stroke-opacity: 0.85; stroke-width: 4px; "
    "stroke-linejoin: round; }\n"
    "  @media (prefers-color-scheme: dark) {\n"
    "    text { fill: #e6ebf1; }\n"
    "    .soft { fill: #9aa7b5; }\n"
    "    .alarm, .mark-text { fill: #ff86b3; }\n"
    "    .paper { fill: #10151c; }\n"
    "    .grid { stroke: #28323e; }\n"
    "    .axis { stroke: #566373; }\n"
    "    .heap { fill: #22508a; }\n"
    "    .retained { fill: #7d5e29; }\n"
    "    .file { fill: #3c4753; }\n"
    "    .own { fill: #5a4685; }\n"
    "    .heap-line { stroke: #6fb1ff; }\n"
    "    .rss-line { stroke: #d5dce4; }\n"
    "    .mark { stroke: #ff86b3; }\n"
    "    .dot { fill: #6fb1ff; stroke: #10151c; }\n"
    "    .halo { stroke: #10151c; }\n"
    "  }\n"
    "</style>\n";
/* clang-format on */

/* --- small things --- */

static double x_of(const struct drawing *d, uint64_t ticks)
{
	double share = d->end_ticks ? (double)ticks / (double)d->end_ticks : 0;
	return LEFT + share * (RIGHT - LEFT);
}

static double y_of(const struct drawing *d, double bytes)
{
	return d->plot_bottom - bytes / (double)d->top_bytes * (d->plot_bottom - d->plot_top);
}

static double width_of(size_t letters)
{
	return (double)letters * SMALL * EM;
}

/* The text is ours: no escaping. */
static void put_label(
    const struct drawing *d, double x, double y, const char *class, const char *anchor, const char *text)
{
	fprintf(d->out, "<text x=\"%.1f\" y=\"%.1f\"%s%s%s text-anchor=\"%s\">%s</text>\n", x, y,
	    *class ? " class=\"" : "", class, *class ? "\"" : "", anchor, text);
}

static void put_line(const struct drawing *d, const char *class, double x1, double y1, double x2, double y2)
{
	fprintf(
	    d->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

/* --- axes --- */

static void put_y_axis(const struct drawing *d)
{
	char text[AXIS_TEXT_BYTES];
	for (uint64_t i = 0; i <= d->top_bytes / d->step_bytes; i++) {
		uint64_t at = i * d->step_bytes;
		double y = y_of(d, (double)at);
		put_line(d, at ? "grid" : "axis", LEFT, y, RIGHT, y);
		put_label(d, LEFT - 10, y + 4, "soft", "end", axis_size(text, at, d->top_bytes));
	}
}

static void put_x_axis(const struct drawing *d)
{
	char text[AXIS_TEXT_BYTES];
	uint64_t step = axis_time_step(d->end_ticks, 10);
	for (uint64_t at = 0; at <= d->end_ticks; at += step) {
		double x = x_of(d, at);
		put_line(d, "axis", x, d->plot_bottom, x, d->plot_bottom + 5);
		put_label(d, x, d->plot_bottom + 20, "soft", "middle", axis_time(text, at, d->end_ticks));
	}
	put_label(
	    d, (LEFT + RIGHT) / 2.0, d->plot_bottom + 42, "soft", "middle", "time since the start of the recording");
}

/* --- data --- */

/* What a layer adds to the stack; live heap that is not resident is no part of RSS. */
static double layer_bytes(const struct rss_parts *parts, enum layer layer)
{
	switch (layer) {
	case LAYER_HEAP:
		return (double)parts->heap_bytes + (parts->residual_bytes < 0 ? (double)parts->residual_bytes : 0);
	case LAYER_RETAINED:
		return (double)parts->retained_bytes;
	case LAYER_FILE:
		return (double)parts->file_bytes;
	case LAYER_TIDEMARK:
		return (double)parts->tidemark_bytes;
	case LAYERS:
		break;
	}
	return 0;
}

static double stack_bytes(const struct rss_parts *parts, enum layer up_to)
{
	double sum = 0;
	for (enum layer layer = LAYER_HEAP; layer < up_to; layer++)
		sum += layer_bytes(parts, layer);
	return sum > 0 ? sum : 0;
}

static uint64_t point_start(const struct drawing *d, uint32_t point)
{
	return point ? d->points[point - 1].tick : 0;
}

/* Each point covers its span: values stand from the span's start to its end. */
static void put_step(const struct drawing *d, uint32_t point, double bytes, bool forward)
{
	double from = x_of(d, point_start(d, point)), to = x_of(d, d->points[point].tick), y = y_of(d, bytes);
	fprintf(d->out, "%.1f,%.1f %.1f,%.1f ", forward ? from : to, y, forward ? to : from, y);
}

static void put_layer(const struct drawing *d, enum layer layer, const char *class)
{
	fprintf(d->out, "<polygon class=\"%s\" points=\"", class);
	for (uint32_t i = 0; i < d->n_points; i++)
		put_step(d, i, stack_bytes(&d->parts[i], layer + 1), true);
	for (uint32_t i = d->n_points; i-- > 0;)
		put_step(d, i, stack_bytes(&d->parts[i], layer), false);
	fputs("\"/>\n", d->out);
}

static void put_heap_area(const struct drawing *d)
{
	fputs("<polygon class=\"heap\" points=\"", d->out);
	for (uint32_t i = 0; i < d->n_points; i++)
		put_step(d, i, (double)d->points[i].heap_max_bytes, true);
	fprintf(d->out, "%.1f,%.1f %d,%.1f\"/>\n", x_of(d, d->end_ticks), d->plot_bottom, LEFT, d->plot_bottom);
}

static void put_curve(const struct drawing *d, const char *class, bool rss)
{
	fprintf(d->out, "<polyline class=\"%s\" points=\"", class);
	for (uint32_t i = 0; i < d->n_points; i++) {
		const struct profile_point *point = &d->points[i];
		if (!rss || point->rss_bytes)
			put_step(d, i, (double)(rss ? point->rss_bytes : point->heap_max_bytes), true);
	}
	fputs("\"/>\n", d->out);
}

static void put_data(const struct drawing *d)
{
	static const char *const classes[LAYERS] = {"heap", "retained", "file", "own"};
	if (!d->has_rss)
		put_heap_area(d);
	for (enum layer layer = LAYER_HEAP; d->has_rss && layer < LAYERS; layer++)
		put_layer(d, layer, classes[layer]);
	if (d->has_rss)
		put_curve(d, "rss-line", true);
	put_curve(d, "heap-line", false);
}

static void put_peak(const struct drawing *d)
{
	const struct profile_totals *totals = &d->profile->totals;
	char size[SIZE_TEXT_BYTES], text[64];
	double x = x_of(d, totals->peak_tick), y = y_of(d, (double)totals->peak_heap_bytes);
	snprintf(text, sizeof(text), "peak heap %s", size_text(size, totals->peak_heap_bytes));
	bool left = x + width_of(strlen(text)) + 12 > RIGHT;
	fprintf(d->out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x, y);
	put_label(
	    d, left ? x - 8 : x + 8, y - 8 < d->plot_top + 10 ? y + 16 : y - 8, "halo", left ? "end" : "start", text);
}

/* --- marks --- */

struct lanes {
	double used_to[MAX_LANES]; /* the rightmost x that a label of the lane covers */
	double last_x;             /* the previous mark's line */
	unsigned n_used;
};

/* Where the label of a mark at x goes: a lane, -1 when none will do; to the left of its line when the right has no
 * room. A mark's line runs down from its lane: it must not cross a label of a lane below, nor a label to the left a
 * line. */
static int find_lane(struct lanes *lanes, double x, double width, bool *left)
{
	*left = x + 5 + width > RIGHT;
	double from = *left ? x - 5 - width : x - 4;
	int lane = MAX_LANES;
	while (lane > 0 && from >= lanes->used_to[lane - 1])
		lane--;
	bool fits = lane < MAX_LANES && from >= 4 && (!*left || from > lanes->last_x);
	lanes->last_x = x;
	if (!fits)
		return -1;
	lanes->used_to[lane] = from + width + 10;
	lanes->n_used = (unsigned)lane + 1 > lanes->n_used ? (unsigned)lane + 1 : lanes->n_used;
	return lane;
}

static const char *mark_name(const struct drawing *d, uint32_t i)
{
	return d->profile->trace->strings[d->profile->marks[i].name];
}

static size_t label_letters(const char *name)
{
	size_t letters = svg_letters(name);
	return letters > MAX_LABEL ? MAX_LABEL + 1 : letters;
}

/* Marks come in order of time. With draw off, only the lanes are counted. returns: marks without a label */
static unsigned put_marks(struct drawing *d, bool draw)
{
	struct lanes lanes = {0};
	unsigned unnamed = 0;
	for (uint32_t i = 0; i < d->profile->n_marks && i < MAX_MARKS; i++) {
		double x = x_of(d, d->profile->marks[i].tick);
		bool left;
		int lane = find_lane(&lanes, x, width_of(label_letters(mark_name(d, i))), &left);
		unnamed += lane < 0;
		if (!draw)
			continue;
		double top = lane < 0 ? d->plot_top : HEAD + (lane + 1) * LANE_HEIGHT - 12.0;
		put_line(d, lane < 0 ? "mark faint" : "mark", x, top, x, d->plot_bottom);
		if (lane < 0)
			continue;
		fprintf(d->out, "<text class=\"mark-text\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
		    left ? x - 5 : x + 5, HEAD + (lane + 1) * LANE_HEIGHT - 4.0, left ? "end" : "start");
		svg_text(d->out, mark_name(d, i), MAX_LABEL);
		fputs("</text>\n", d->out);
	}
	d->n_lanes = lanes.n_used;
	if (d->profile->n_marks > MAX_MARKS)
		unnamed += d->profile->n_marks - MAX_MARKS;
	return unnamed;
}

/* --- head --- */

/* One entry of the legend. area, line: classes, "" for none. returns: where the next one begins */
static double put_entry(const struct drawing *d, double x, const char *area, const char *line, const char *text)
{
	double y = HEAD - 34;
	if (*area)
		fprintf(d->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"18\" height=\"11\"/>\n", area, x, y);
	if (*line) {
		double at = *area ? y : y + 6;
		fprintf(d->out, "<polyline class=\"%s\" points=\"%.1f,%.1f %.1f,%.1f\"/>\n", line, x, at, x + 18, at);
	}
	put_label(d, x + 25, y + 10, "", "start", text);
	return x + 25 + width_of(strlen(text)) + 14;
}

static void put_legend(const struct drawing *d)
{
	double x = LEFT;
	if (!d->has_rss) {
		put_entry(d, x, "heap", "heap-line", "live heap (RSS was not sampled)");
		return;
	}
	x = put_entry(d, x, "", "rss-line", "RSS, made of:");
	x = put_entry(d, x, "heap", "heap-line", "live heap");
	x = put_entry(d, x, "retained", "", "kept by the allocator, stacks, data");
	x = put_entry(d, x, "file", "", "files, shared memory");
	put_entry(d, x, "own", "", "Tidemark");
}

static int64_t lowest_residual(const struct drawing *d)
{
	int64_t lowest = 0;
	for (uint32_t i = 0; i < d->n_points; i++)
		if (d->parts[i].rss_bytes && d->parts[i].residual_bytes < lowest)
			lowest = d->parts[i].residual_bytes;
	return lowest;
}

static void put_subtitle(const struct drawing *d, unsigned unnamed)
{
	const struct profile_totals *t = &d->profile->totals;
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES], c[SIZE_TEXT_BYTES];
	fprintf(d->out, "<text x=\"%d\" y=\"62\" class=\"soft\">%s recorded, peak heap %s", LEFT,
	    time_text(a, t->end_tick * TIDEMARK_TICK_NS), size_text(b, t->peak_heap_bytes));
	if (d->has_rss) {
		int64_t residual = lowest_residual(d);
		fprintf(d->out, ", peak RSS %s", size_text(c, t->peak_rss_bytes));
		fprintf(d->out, ", residual %s%s", residual ? "down to " : "", size_delta_text(c, residual));
	}
	fprintf(d->out, ", alive at the end %s", size_text(a, t->leaked_bytes));
	if (unnamed)
		fprintf(d->out, ", %u mark%s without a label", unnamed, plural(unnamed));
	fputs("</text>\n", d->out);
}

static void put_head(const struct drawing *d, unsigned unnamed)
{
	const struct profile_totals *t = &d->profile->totals;
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES];
	double height = d->plot_bottom + FOOT;
	fprintf(d->out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\" "
	    "role=\"img\" aria-labelledby=\"title desc\">\n"
	    "<title id=\"title\">Memory of ",
	    WIDTH, height, WIDTH, height);
	svg_text(d->out, d->picture->title, 120);
	fprintf(d->out, "</title>\n<desc id=\"desc\">Heap and resident memory over %s. The heap peaks at %s; ",
	    time_text(a, t->end_tick * TIDEMARK_TICK_NS), size_text(b, t->peak_heap_bytes));
	if (d->has_rss)
		fprintf(d->out, "RSS peaks at %s; ", size_text(a, t->peak_rss_bytes));
	fprintf(d->out, "%s are alive at the end.</desc>\n%s<rect class=\"paper\" width=\"%d\" height=\"%.0f\"/>\n",
	    size_text(b, t->leaked_bytes), style, WIDTH, height);
	fprintf(d->out, "<text class=\"title\" x=\"%d\" y=\"38\">Memory of ", LEFT);
	svg_text(d->out, d->picture->title, d->picture->warning ? MAX_TITLE_BESIDE : MAX_TITLE);
	fputs("</text>\n", d->out);
	if (d->picture->warning) {
		fprintf(d->out, "<text class=\"alarm\" x=\"%d\" y=\"38\" text-anchor=\"end\">", RIGHT);
		svg_text(d->out, d->picture->warning, 40);
		fputs("</text>\n", d->out);
	}
	put_subtitle(d, unnamed);
	put_legend(d);
}

/* --- all --- */

static uint64_t largest_value(const struct drawing *d)
{
	uint64_t largest = d->profile->totals.peak_heap_bytes;
	for (uint32_t i = 0; i < d->n_points; i++) {
		const struct profile_point *point = &d->points[i];
		largest = point->heap_max_bytes > largest ? point->heap_max_bytes : largest;
		largest = point->rss_bytes > largest ? point->rss_bytes : largest;
	}
	return largest;
}

static void set_scale(struct drawing *d)
{
	uint64_t largest = largest_value(d), with_room;
	if (__builtin_add_overflow(largest, largest / 20, &with_room))
		with_room = UINT64_MAX;
	d->step_bytes = axis_step(with_room, 6);
	d->top_bytes = axis_top(largest, d->step_bytes);
}

/* Neighbours share a point where there are too many: it ends as the last of them does, and keeps their largest heap. */
static int take_points(struct drawing *d)
{
	const struct profile *profile = d->profile;
	d->n_points = profile->n_points < MAX_POINTS ? profile->n_points : MAX_POINTS;
	d->points = calloc((size_t)d->n_points + 1, sizeof(*d->points));
	d->parts = calloc((size_t)d->n_points + 1, sizeof(*d->parts));
	if (!d->points || !d->parts)
		return -1;
	for (uint32_t i = 0; i < profile->n_points; i++) {
		struct profile_point *point = &d->points[(uint64_t)i * d->n_points / profile->n_points];
		uint64_t largest = point->heap_max_bytes;
		*point = profile->points[i];
		point->heap_max_bytes = largest > point->heap_max_bytes ? largest : point->heap_max_bytes;
	}
	for (uint32_t i = 0; i < d->n_points; i++) {
		d->parts[i] = rss_parts(&d->points[i]);
		d->has_rss |= d->parts[i].rss_bytes != 0;
	}
	return 0;
}

static void draw(struct drawing *d)
{
	set_scale(d);
	unsigned unnamed = put_marks(d, false);
	d->plot_top = HEAD + d->n_lanes * LANE_HEIGHT;
	d->plot_bottom = d->plot_top + PLOT_HEIGHT;
	put_head(d, unnamed);
	put_y_axis(d);
	put_data(d);
	put_x_axis(d);
	put_marks(d, true);
	put_peak(d);
	fputs("</svg>\n", d->out);
}

int picture_write(FILE *out, const struct picture *picture)
{
	const struct profile *profile = picture->profile;
	struct drawing d = {.out = out, .picture = picture, .profile = profile, .end_ticks = profile->totals.end_tick};
	int result = take_points(&d);
	if (!result)
		draw(&d);
	free(d.points);
	free(d.parts);
	return result;
}
