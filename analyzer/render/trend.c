/* Trends in the terminal: see trend.h. */
#include "render/trend.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/size.h"

#define LABEL_COLUMNS 10
#define HEIGHT 9
#define MAX_COLUMNS 160
#define MAX_COMMIT_COLUMNS 6 /* of one commit */
#define FLAT 0.1 /* a line whose values differ by less than this part is drawn as if they differed by that */

const char *trend_value(char text[TREND_TEXT_BYTES], const char *unit, double value)
{
	char plain[SIZE_TEXT_BYTES];
	const char *sign = value < 0 ? "-" : "";
	double size = fabs(value);
	if (!strncmp(unit, "bytes", 5) && size < 9e18)
		snprintf(text, TREND_TEXT_BYTES, "%s%s", sign, size_text(plain, (uint64_t)(size + 0.5)));
	else if (size < 9e15 && size == floor(size))
		snprintf(text, TREND_TEXT_BYTES, "%s%s", sign, count_text(plain, (uint64_t)size));
	else
		snprintf(text, TREND_TEXT_BYTES, "%.5g", value);
	return text;
}

const char *trend_change(char text[TREND_TEXT_BYTES], const char *unit, double before, double after)
{
	double percent = (after - before) / before * 100;
	if (before > 0 && after >= 0 && percent < 1000) {
		snprintf(text, TREND_TEXT_BYTES, "%+.1f %%", percent);
		return text;
	}
	char size[TREND_TEXT_BYTES];
	trend_value(size, unit, fabs(after - before));
	snprintf(text, TREND_TEXT_BYTES, "%s%.60s", after < before ? "-" : after > before ? "+" : "", size);
	return text;
}

const char *trend_commit(char text[TREND_COMMIT_BYTES], const struct history_commit *commit)
{
	const char *end = commit->id;
	for (unsigned i = 0; i < TREND_COMMIT_LETTERS && *end; i++) {
		size_t n = utf8_length(end);
		end += n ? n : 1;
	}
	snprintf(text, TREND_COMMIT_BYTES, "%.*s", (int)(end - commit->id), commit->id);
	return text;
}

const char *trend_date(char text[TREND_DATE_BYTES], const struct history_commit *commit)
{
	time_t seconds = (time_t)commit->time;
	struct tm date;
	if (!gmtime_r(&seconds, &date) || !strftime(text, TREND_DATE_BYTES, "%Y-%m-%d", &date))
		strcpy(text, "-");
	return text;
}

double trend_level(const struct history_series *s, size_t point)
{
	const struct change_points *changes = &s->changes;
	for (size_t i = 0; i < changes->n_items; i++)
		if (point < changes->items[i].at)
			return changes->items[i].before;
	double middle = (double)(changes->last_level + s->n_points - 1) / 2;
	return changes->level + changes->drift * ((double)point - middle);
}

const char *trend_drift(char text[TREND_TEXT_BYTES], const struct history_series *s)
{
	text[0] = 0;
	if (s->changes.drift == 0)
		return text;
	return trend_change(text, s->unit, trend_level(s, s->changes.last_level), trend_level(s, s->n_points - 1));
}

static void extent(const struct history_series *s, size_t first, double *low, double *high)
{
	*low = INFINITY;
	*high = -INFINITY;
	for (size_t i = first; i < s->n_points; i++) {
		*low = fmin(*low, s->points[i].median);
		*high = fmax(*high, s->points[i].median);
	}
}

/* 1, 2 or 5 times a power of ten, at most n of which lie in a span. */
static double round_step(double span, unsigned n)
{
	double power = pow(10, floor(log10(span / n)));
	double ratio = span / n / power;
	return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

struct trend_range trend_range(const struct history_series *s, size_t first)
{
	double low, high;
	extent(s, first, &low, &high);
	double span = high - low, size = fmax(fabs(low), fabs(high));
	if (span < FLAT * size) {
		low -= (FLAT * size - span) / 2;
		high += (FLAT * size - span) / 2;
	}
	if (low >= 0 && low < high / 2)
		low = 0;
	if (low == high)
		high = low + 1;
	struct trend_range range = {.step = fmax(round_step(high - low, 4), 1)}; /* labels are whole */
	range.low = floor(low / range.step) * range.step;
	range.high = ceil(high / range.step) * range.step;
	return range;
}

size_t trend_spark(const struct term *term, const struct history_series *s, size_t columns)
{
	static const char *const blocks[] = {
	    "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char letters[] = "_..--~~\"";
	size_t first = s->n_points > columns ? s->n_points - columns : 0;
	double low, high;
	extent(s, first, &low, &high);
	double span = fmax(high - low, FLAT * fmax(fabs(low), fabs(high)));
	for (size_t i = first; i < s->n_points; i++) {
		double share = span > 0 ? (s->points[i].median - low) / span : 0;
		unsigned height = (unsigned)(share * 7 + 0.5);
		if (term->utf8)
			fputs(blocks[height], term->out);
		else
			fputc(letters[height], term->out);
	}
	return s->n_points - first;
}

/* --- the chart --- */

struct plot {
	const struct term *term;
	const struct history_series *series;
	struct trend_range range;
	size_t first;        /* point */
	size_t n, per_point; /* points shown, columns of each */
};

static unsigned row_of(const struct plot *p, double value)
{
	double share = (value - p->range.low) / (p->range.high - p->range.low);
	return (unsigned)(fmin(fmax(share, 0), 1) * (HEIGHT - 1) + 0.5);
}

static const char *cell(const struct plot *p, unsigned row, size_t point, bool middle)
{
	bool utf8 = p->term->utf8;
	if (middle && row_of(p, p->series->points[point].median) == row)
		return utf8 ? "\u25cf" : "*";
	if (row_of(p, trend_level(p->series, point)) == row)
		return utf8 ? "\u2500" : "-";
	return " ";
}

static void draw_row(const struct plot *p, unsigned row)
{
	char label[TREND_TEXT_BYTES] = "";
	unsigned n_steps = (unsigned)lround((p->range.high - p->range.low) / p->range.step);
	for (unsigned i = 0; i <= n_steps; i++) {
		double value = p->range.low + i * p->range.step;
		if (row_of(p, value) == row)
			trend_value(label, p->series->unit, value);
	}
	fprintf(p->term->out, "%*s %s", LABEL_COLUMNS, label,
	    p->term->utf8 ? (*label ? "\u2524" : "\u2502")
	    : *label      ? "+"
	                  : "|");
	for (size_t i = 0; i < p->n; i++)
		for (size_t column = 0; column < p->per_point; column++)
			fputs(cell(p, row, p->first + i, column == p->per_point / 2), p->term->out);
	fputc('\n', p->term->out);
}

/* The numbers of the changes below their commits. */
static void draw_changes(const struct plot *p)
{
	char line[MAX_COLUMNS + 1];
	size_t width = 0;
	memset(line, ' ', sizeof(line));
	for (size_t i = 0; i < p->series->changes.n_items; i++) {
		size_t at = p->series->changes.items[i].at;
		if (at < p->first)
			continue;
		size_t column = (at - p->first) * p->per_point + p->per_point / 2;
		line[column] = i < 9 ? (char)('1' + i) : '+';
		width = column + 1;
	}
	if (width)
		fprintf(p->term->out, "%*s  %.*s\n", LABEL_COLUMNS, "change", (int)width, line);
}

static void draw_dates(const struct plot *p, const struct history_table *table)
{
	char first[TREND_DATE_BYTES], last[TREND_DATE_BYTES];
	const struct history_point *points = p->series->points;
	size_t width = p->n * p->per_point;
	trend_date(first, &table->commits[points[p->first].commit]);
	trend_date(last, &table->commits[points[p->first + p->n - 1].commit]);
	int gap = (int)width - (int)strlen(first) - (int)strlen(last);
	if (gap > 1)
		fprintf(p->term->out, "%*s  %s%*s%s\n", LABEL_COLUMNS, "", first, gap, "", last);
	else
		fprintf(p->term->out, "%*s  %s to %s\n", LABEL_COLUMNS, "", first, last);
}

size_t trend_chart(const struct term *term, const struct history_table *table, const struct history_series *series)
{
	struct plot p = {.term = term, .series = series};
	size_t columns = term->width > LABEL_COLUMNS + 4 ? term->width - LABEL_COLUMNS - 3 : 1;
	columns = columns > MAX_COLUMNS ? MAX_COLUMNS : columns;
	p.n = series->n_points > columns ? columns : series->n_points;
	p.first = series->n_points - p.n;
	if (!p.n)
		return 0;
	p.per_point = columns / p.n > MAX_COMMIT_COLUMNS ? MAX_COMMIT_COLUMNS : columns / p.n;
	p.range = trend_range(series, p.first);
	for (unsigned row = HEIGHT; row-- > 0;)
		draw_row(&p, row);
	draw_changes(&p);
	draw_dates(&p, table);
	return p.first;
}
