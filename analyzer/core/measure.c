/* What a measure is made of: see measure.h. */
#include "core/measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/size.h"

static const struct {
	const char *name, *unit, *label;
} kinds[] = {
    [METRIC_PEAK_HEAP] = {"peak_heap_bytes", "bytes", "peak heap"},
    [METRIC_PEAK_RSS] = {"peak_rss_bytes", "bytes", "peak RSS"},
    [METRIC_LEAKED] = {"leaked_bytes", "bytes", "alive at the end"},
    [METRIC_PROGRAM] = {"program_bytes", "bytes", "left at the end"},
    [METRIC_ALLOCATIONS] = {"allocations", "allocations", "allocations"},
    [METRIC_ALLOCATED] = {"allocated_bytes", "bytes", "allocated"},
    [METRIC_TEMPORARY] = {"temporary_allocations", "allocations", "temporary allocations"},
    [METRIC_RATE] = {"leaked_bytes_per_100", "bytes per 100 operations", "leaked per 100 operations"},
    [METRIC_RATE_OF] = {"leaked_bytes_per_100/", "bytes per 100 operations", "leaked per 100"},
};

const char *metric_name(enum metric_kind kind)
{
	return kinds[kind].name;
}

const char *metric_unit(enum metric_kind kind)
{
	return kinds[kind].unit;
}

const char *metric_label(enum metric_kind kind)
{
	return kinds[kind].label;
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

double measure_median(const double *values, size_t n)
{
	double few[16], *sorted = n <= 16 ? few : malloc(n * sizeof(*sorted));
	double median = NAN;
	bool whole = n > 0 && sorted;
	for (size_t i = 0; i < n && whole; i++) {
		sorted[i] = values[i];
		whole = !isnan(values[i]);
	}
	if (whole) {
		qsort(sorted, n, sizeof(*sorted), compare_doubles);
		median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
	}
	if (sorted != few)
		free(sorted);
	return median;
}

/* --- notes --- */

int measure_note(struct measure *m, struct err *err, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	if (ARRAY_RESERVE(m->notes, m->notes_capacity, m->n_notes + 1) < 0)
		return err_memory(err);
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return err_memory(err);
	m->notes[m->n_notes++] = text;
	return 0;
}

/* --- rates --- */

struct metric *measure_rate_metric(struct measure *m, const char *operation)
{
	for (size_t i = METRIC_FIXED; i < m->n_metrics; i++) {
		struct metric *have = &m->metrics[i];
		if (operation ? have->operation && !strcmp(have->operation, operation) : !have->operation)
			return have;
	}
	if (ARRAY_RESERVE(m->metrics, m->metrics_capacity, m->n_metrics + 1) < 0)
		return NULL;
	struct metric *metric = &m->metrics[m->n_metrics];
	*metric = (struct metric){.kind = operation ? METRIC_RATE_OF : METRIC_RATE};
	const char *prefix = kinds[metric->kind].name;
	metric->runs = calloc(4 * m->n_sessions, sizeof(double));
	if (!metric->runs || asprintf(&metric->name, "%s%s", prefix, operation ? operation : "") < 0) {
		free(metric->runs);
		return NULL;
	}
	metric->operation = operation ? metric->name + strlen(prefix) : NULL;
	metric->lows = metric->runs + m->n_sessions;
	metric->highs = metric->lows + m->n_sessions;
	metric->bounds = metric->highs + m->n_sessions;
	for (size_t i = 0; i < 4 * m->n_sessions; i++)
		metric->runs[i] = NAN;
	m->n_metrics++;
	return metric;
}

const struct metric *measure_find(const struct measure *m, const char *name)
{
	for (size_t i = 0; i < m->n_metrics; i++)
		if (!strcmp(m->metrics[i].name, name))
			return &m->metrics[i];
	return NULL;
}

const char *session_id_text(char text[SESSION_ID_TEXT_BYTES], const uint8_t id[16])
{
	for (int i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	return text;
}

const char *metric_text(char text[METRIC_TEXT_BYTES], enum metric_kind kind, double value)
{
	char number[SIZE_TEXT_BYTES];
	if (isnan(value))
		snprintf(text, METRIC_TEXT_BYTES, "unknown");
	else if (isinf(value))
		snprintf(text, METRIC_TEXT_BYTES, "unbounded");
	else if (fabs(value) < 99.95 && value != floor(value) && kind != METRIC_ALLOCATIONS && kind != METRIC_TEMPORARY)
		snprintf(text, METRIC_TEXT_BYTES, "%.1f B", value);
	else if (kind == METRIC_ALLOCATIONS || kind == METRIC_TEMPORARY)
		snprintf(text, METRIC_TEXT_BYTES, "%s%s", value < 0 ? "-" : "",
		    count_text(number, (uint64_t)(fabs(value) + 0.5)));
	else
		snprintf(text, METRIC_TEXT_BYTES, "%s%s", value <= -0.5 ? "-" : "",
		    size_text(number, (uint64_t)(fabs(value) + 0.5)));
	return text;
}
