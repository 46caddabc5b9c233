/* A history as SVG: see trend_picture.h. Commits stand at equal distances, oldest first. Labels of changes stand in lanes
 * above the plot, so that they cover neither data nor each other. */
#include "render/trend_picture.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "render/svg.h"
#include "render/trend.h"

#define WIDTH 960
#define LEFT 92
#define RIGHT (WIDTH - 28)
#define HEAD 64       /* title of the picture */
#define PANEL_HEAD 34 /* name and latest value of a figure */
#define PLOT_HEIGHT 150
#define PANEL_FOOT 44
#define LANE_HEIGHT 17
#define MAX_SUBJECT 40 /* letters */
#define EM 0.56        /* mean advance of a sans-serif letter, in font sizes; a little generous */
#define SMALL 12.0     /* font size of labels */
#define MAX_DOTS 160   /* more of them would be a band */

/* Plain rules, no variables: many converters to bitmaps know no more. They show the light colours. */
/* clang-format off */
static const char style[] =
    "<style>\n"
    "  :root { color-scheme: light dark; }\n"
    "  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', "
    "'DejaVu Sans', Arial, sans-serif; font-size: 12px; fill: #1f2933; }\n"
    "  .title { font-size: 20px; font-weight: 600; }\n"
    "  .name { font-size: 14px; font-weight: 600; }\n"
    "  .soft { fill: #5f6b7a; }\n"
    "  .paper { fill: #ffffff; }\n"
    "  .grid { stroke: #dfe4ea; stroke-width: 1; }\n"
    "  .axis { stroke: #9aa5b1; stroke-width: 1; }\n"
    "  .range { fill: #a9cdf7; fill-opacity: 0.55; }\n"
    "  .level { stroke: #f0a23a; stroke-width: 5; stroke-opacity: 0.55; stroke-linecap: round; }\n"
    "  .line { fill: none; stroke: #1d6fd8; stroke-width: 1.5; stroke-linejoin: round; }\n"
    "  .dot { fill: #1d6fd8; stroke: #ffffff; stroke-width: 1; }\n"
    "  .change { stroke: #b4235f; stroke-width: 1; stroke-dasharray: 4 3; }\n"
    "  .change-text { fill: #b4235f; }\n"
    "  .halo { paint-order: stroke; stroke: #ffffff; stroke-opacity: 0.9; stroke-width: 5px; "
    "stroke-linejoin: round; }\n"
    "  @media (prefers-color-scheme: dark) {\n"
    "    text { fill: #e6ebf1; }\n"
    "    .soft { fill: #9aa7b5; }\n"
    "    .paper { fill: #10151c; }\n"
    "    .grid { stroke: #28323e; }\n"
    "    .axis { stroke: #566373; }\n"
    "    .range { fill: #22508a; }\n"
    "    .level { stroke: #b9832f; }\n"
    "    .line { stroke: #6fb1ff; }\n"
    "    .dot { fill: #6fb1ff; stroke: #10151c; }\n"
    "    .change { stroke: #ff86b3; }\n"
    "    .change-text { fill: #ff86b3; }\n"
    "    .halo { stroke: #10151c; }\n"
    "  }\n"
    "</style>\n";
/* clang-format on */

struct panel {
	FILE *out;
	const struct history_table *table;
	const struct history_series *series;
	struct trend_range range;
	double top, plot_top, plot_bottom;
};

static double x_of(const struct panel *p, double point)
{
	return LEFT + (point + 0.5) / (double)p->series->n_points * (RIGHT - LEFT);
}

static double y_of(const struct panel *p, double value)
{
	double share = (value - p->range.low) / (p->range.high - p->range.low);
	return p->plot_bottom - fmin(fmax(share, 0), 1) * PLOT_HEIGHT;
}

static const struct history_commit *commit_at(const struct panel *p, size_t point)
{
	return &p->table->commits[p->series->points[point].commit];
}

static void put_line(const struct panel *p, const char *class, double x1, double y1, double x2, double y2)
{
	fprintf(
	    p->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

static void open_text(FILE *out, double x, double y, const char *class, const char *anchor)
{
	fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y, anchor);
}

static void put_label(FILE *out, double x, double y, const char *class, const char *anchor, const char *text)
{
	open_text(out, x, y, class, anchor);
	svg_text(out, text, 200);
	fputs("</text>\n", out);
}

/* --- changes --- */

struct label {
	char head[TREND_TEXT_BYTES + TREND_COMMIT_BYTES + 4]; /* "+48.1 % at 3f2a91c55e" */
	double x, width;
	bool left; /* of its line */
};

static struct label label_of(const struct panel *p, const struct change *change)
{
	struct label label = {.x = x_of(p, (double)change->at - 0.5)};
	char text[TREND_TEXT_BYTES], id[TREND_COMMIT_BYTES];
	const char *subject = commit_at(p, change->at)->subject;
	size_t letters = svg_letters(subject);
	snprintf(label.head, sizeof(label.head), "%s at %s",
	    trend_change(text, p->series->unit, change->before, change->after),
	    trend_commit(id, commit_at(p, change->at)));
	letters = svg_letters(label.head) + 2 + (letters > MAX_SUBJECT ? MAX_SUBJECT + 1 : letters);
	label.width = (double)letters * SMALL * EM;
	label.left = label.x + 5 + label.width > RIGHT;
	return label;
}

static double lane_y(const struct panel *p, size_t change)
{
	return p->top + PANEL_HEAD + (double)change * LANE_HEIGHT;
}

/* Labels come after all lines, with a halo: a label to the left of its line may lie on the lines of others. */
static void put_changes(const struct panel *p)
{
	const struct change_points *changes = &p->series->changes;
	for (size_t i = 0; i < changes->n_items; i++) {
		double x = x_of(p, (double)changes->items[i].at - 0.5);
		put_line(p, "change", x, lane_y(p, i) - 9, x, p->plot_bottom);
	}
	for (size_t i = 0; i < changes->n_items; i++) {
		struct label label = label_of(p, &changes->items[i]);
		open_text(p->out, label.left ? label.x - 5 : label.x + 5, lane_y(p, i), "change-text halo",
		    label.left ? "end" : "start");
		svg_text(p->out, label.head, 100);
		fputs("  ", p->out);
		svg_text(p->out, commit_at(p, changes->items[i].at)->subject, MAX_SUBJECT);
		fputs("</text>\n", p->out);
	}
}

static void put_levels(const struct panel *p)
{
	const struct change_points *changes = &p->series->changes;
	for (size_t i = 0; i <= changes->n_items; i++) {
		size_t from = i ? changes->items[i - 1].at : 0;
		size_t to = i < changes->n_items ? changes->items[i].at : p->series->n_points;
		double y_from = y_of(p, trend_level(p->series, from)), y_to = y_of(p, trend_level(p->series, to - 1));
		put_line(p, "level", x_of(p, (double)from - 0.3), y_from, x_of(p, (double)to - 0.7), y_to);
	}
}

/* --- data --- */

static void put_range(const struct panel *p)
{
	const struct history_point *points = p->series->points;
	fputs("<polygon class=\"range\" points=\"", p->out);
	for (size_t i = 0; i < p->series->n_points; i++)
		fprintf(p->out, "%.1f,%.1f ", x_of(p, (double)i), y_of(p, points[i].highest));
	for (size_t i = p->series->n_points; i-- > 0;)
		fprintf(p->out, "%.1f,%.1f ", x_of(p, (double)i), y_of(p, points[i].lowest));
	fputs("\"/>\n", p->out);
}

static void put_dot(const struct panel *p, size_t i)
{
	char value[TREND_TEXT_BYTES], id[TREND_COMMIT_BYTES];
	const struct history_point *point = &p->series->points[i];
	fprintf(p->out, "<g><title>%s at ", trend_value(value, p->series->unit, point->median));
	svg_text(p->out, trend_commit(id, commit_at(p, i)), TREND_COMMIT_LETTERS);
	fputs("  ", p->out);
	svg_text(p->out, commit_at(p, i)->subject, 100);
	fprintf(p->out, "</title><circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/></g>\n", x_of(p, (double)i),
	    y_of(p, point->median));
}

static void put_medians(const struct panel *p)
{
	fputs("<polyline class=\"line\" points=\"", p->out);
	for (size_t i = 0; i < p->series->n_points; i++)
		fprintf(p->out, "%.1f,%.1f ", x_of(p, (double)i), y_of(p, p->series->points[i].median));
	fputs("\"/>\n", p->out);
	for (size_t i = 0; i < p->series->n_points && p->series->n_points <= MAX_DOTS; i++)
		put_dot(p, i);
}

/* --- axes --- */

static void put_y_axis(const struct panel *p)
{
	unsigned n_steps = (unsigned)lround((p->range.high - p->range.low) / p->range.step);
	for (unsigned i = 0; i <= n_steps; i++) {
		char text[TREND_TEXT_BYTES];
		double value = p->range.low + i * p->range.step, y = y_of(p, value);
		put_line(p, i ? "grid" : "axis", LEFT, y, RIGHT, y);
		put_label(p->out, LEFT - 10, y + 4, "soft", "end", trend_value(text, p->series->unit, value));
	}
}

/* Dates; the commits that follow on the same day by their names. */
static void put_x_axis(const struct panel *p)
{
	char date[TREND_DATE_BYTES], last[TREND_DATE_BYTES] = "", id[TREND_COMMIT_BYTES];
	size_t n = p->series->n_points, step = (n + 7) / 8;
	for (size_t i = 0; i < n; i += step) {
		double x = x_of(p, (double)i);
		bool same = !strcmp(trend_date(date, commit_at(p, i)), last);
		put_line(p, "axis", x, p->plot_bottom, x, p->plot_bottom + 4);
		put_label(
		    p->out, x, p->plot_bottom + 18, "soft", "middle", same ? trend_commit(id, commit_at(p, i)) : date);
		memcpy(last, date, sizeof(last));
	}
}

/* --- all --- */

static double panel_height(const struct history_series *series)
{
	return PANEL_HEAD + (double)series->changes.n_items * LANE_HEIGHT + PLOT_HEIGHT + PANEL_FOOT;
}

/* The whole range of the runs is shown, not only the medians. */
static struct trend_range whole_range(const struct history_series *series)
{
	struct trend_range range = trend_range(series, 0);
	for (size_t i = 0; i < series->n_points; i++) {
		while (series->points[i].highest > range.high)
			range.high += range.step;
		while (series->points[i].lowest < range.low)
			range.low -= range.step;
	}
	return range;
}

static void put_panel(FILE *out, const struct history_table *table, const struct history_series *series, double top)
{
	char value[TREND_TEXT_BYTES], drift[TREND_TEXT_BYTES];
	struct panel p = {.out = out, .table = table, .series = series, .range = whole_range(series), .top = top};
	p.plot_top = top + PANEL_HEAD + (double)series->changes.n_items * LANE_HEIGHT;
	p.plot_bottom = p.plot_top + PLOT_HEIGHT;
	open_text(out, LEFT, top + 14, "name", "start");
	svg_text(out, series->benchmark, 40);
	fputs(": ", out);
	svg_text(out, series->metric, 60);
	if (*trend_drift(drift, series))
		fprintf(out, "  (%s little by little)", drift);
	fputs("</text>\n", out);
	put_label(out, RIGHT, top + 14, "name", "end",
	    trend_value(value, series->unit, series->points[series->n_points - 1].median));
	put_y_axis(&p);
	put_x_axis(&p);
	put_range(&p);
	put_levels(&p);
	put_medians(&p);
	put_changes(&p);
}

void trend_picture_write(FILE *out, const struct history_table *table)
{
	double height = HEAD;
	size_t n_changes = 0;
	for (size_t i = 0; i < table->n_series; i++) {
		height += panel_height(&table->series[i]);
		n_changes += table->series[i].changes.n_items;
	}
	fprintf(out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\" "
	    "role=\"img\" aria-labelledby=\"title desc\">\n"
	    "<title id=\"title\">Memory by commit</title>\n"
	    "<desc id=\"desc\">%zu figure%s over %zu commit%s, with %zu change%s.</desc>\n"
	    "%s<rect class=\"paper\" width=\"%d\" height=\"%.0f\"/>\n",
	    WIDTH, height, WIDTH, height, table->n_series, plural(table->n_series), table->n_commits,
	    plural(table->n_commits), n_changes, plural(n_changes), style, WIDTH, height);
	put_label(out, LEFT, 38, "title", "start", "Memory by commit");
	double top = HEAD;
	for (size_t i = 0; i < table->n_series; i++) {
		put_panel(out, table, &table->series[i], top);
		top += panel_height(&table->series[i]);
	}
	fputs("</svg>\n", out);
}
