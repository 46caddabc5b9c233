/* Terminal charts: see chart.h. A column is as high as its value: whole blocks, then an eighth on top. What is not zero
 * is at least the lowest eighth. */
#include "render/chart.h"

#include <string.h>

#include "render/axis.h"

#define LABEL_COLUMNS 9u
#define MAX_MARKS 9u /* numbered with one digit */

size_t chart_columns(const struct term *term)
{
	unsigned width = term->width > 110 ? 110 : term->width;
	return width - LABEL_COLUMNS - 3;
}

static uint64_t largest_of(const struct chart *chart)
{
	uint64_t largest = 0;
	for (size_t i = 0; i < chart->n_values; i++)
		largest = chart->values[i] > largest ? chart->values[i] : largest;
	return largest;
}

static void draw_cell(const struct term *term, unsigned eighths)
{
	static const char *const blocks[] = {
	    " ", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const letters[] = {" ", ".", ".", ":", ":", ":", "#", "#", "#"};
	fputs(term->utf8 ? blocks[eighths] : letters[eighths], term->out);
}

static void draw_row(const struct term *term, const struct chart *chart, unsigned row, uint64_t top, const char *label)
{
	fprintf(term->out, "%*s %s", (int)LABEL_COLUMNS, label,
	    term->utf8 ? (*label ? "\u2524" : "\u2502")
	    : *label   ? "+"
	               : "|");
	for (size_t i = 0; i < chart->n_values; i++) {
		double filled = (double)chart->values[i] / (double)top * chart->height * 8;
		double above = filled - row * 8.0;
		unsigned eighths = above >= 8 ? 8 : above <= 0 ? 0 : (unsigned)(above + 0.5);
		if (!eighths && !row && chart->values[i])
			eighths = 1;
		draw_cell(term, eighths);
	}
	fputc('\n', term->out);
}

static void draw_axis(const struct term *term, const struct chart *chart)
{
	fprintf(term->out, "%*s %s", (int)LABEL_COLUMNS, "0", term->utf8 ? "\u253c" : "+");
	for (size_t i = 0; i < chart->n_values; i++)
		fputs(term->utf8 ? "\u2500" : "-", term->out);
	fputc('\n', term->out);
}

static size_t column_of(const struct chart *chart, uint64_t ticks)
{
	size_t column =
	    chart->end_ticks ? (size_t)((double)ticks / (double)chart->end_ticks * (double)chart->n_values) : 0;
	return column < chart->n_values ? column : chart->n_values - 1;
}

/* Times below the axis, each centred below its place where it fits. */
static void draw_times(const struct term *term, const struct chart *chart)
{
	char line[512], text[AXIS_TEXT_BYTES];
	size_t width = chart->n_values + 12 < sizeof(line) ? chart->n_values + 12 : sizeof(line) - 1, used = 0;
	memset(line, ' ', sizeof(line));
	uint64_t step = axis_time_step(chart->end_ticks, (unsigned)(chart->n_values / 10));
	for (uint64_t at = 0; at <= chart->end_ticks; at += step) {
		size_t n = strlen(axis_time(text, at, chart->end_ticks)), middle = at ? column_of(chart, at) : 0;
		size_t from = middle > n / 2 ? middle - n / 2 : 0;
		if ((from >= used || !at) && from + n < width) {
			memcpy(line + from, text, n);
			used = from + n + 1;
		}
	}
	fprintf(term->out, "%*s  %.*s\n", (int)LABEL_COLUMNS, "", (int)used, line);
}

static void draw_marks(const struct term *term, const struct chart *chart)
{
	char line[512];
	size_t n_marks = chart->n_marks < MAX_MARKS ? chart->n_marks : MAX_MARKS, width = 0;
	memset(line, ' ', sizeof(line));
	for (size_t i = 0; i < n_marks; i++) {
		size_t column = column_of(chart, chart->mark_ticks[i]);
		if (column < sizeof(line)) {
			line[column] = (char)('1' + i);
			width = column + 1 > width ? column + 1 : width;
		}
	}
	if (width)
		fprintf(term->out, "%*s  %.*s\n", (int)LABEL_COLUMNS, "marks", (int)width, line);
}

void chart_draw(const struct term *term, const struct chart *chart)
{
	if (!chart->n_values)
		return;
	uint64_t largest = largest_of(chart), step = axis_step(largest, chart->height > 3 ? 4 : 1);
	uint64_t top = axis_top(largest, step);
	uint64_t n_steps = top / step;
	for (unsigned row = chart->height; row-- > 0;) {
		/* A label stands at the row whose top edge is nearest below a multiple of the step. */
		char label[AXIS_TEXT_BYTES] = "";
		for (uint64_t i = 1; i <= n_steps; i++)
			if ((unsigned)((double)i * chart->height / (double)n_steps + 0.5) == row + 1)
				axis_size(label, i * step, top);
		draw_row(term, chart, row, top, label);
	}
	draw_axis(term, chart);
	draw_times(term, chart);
	draw_marks(term, chart);
}
