/* From the figures of runs to medians by commit and their changes: the second half of history.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/history.h"

struct history_value {
	size_t commit;
	double value;
};

struct filling {
	struct history_table *table;
	size_t commit; /* of the latest row */
	struct err *err;
};

/* returns: a copy that the table owns, NULL when memory is short */
static const char *keep(struct history_table *t, const char *text)
{
	if (ARRAY_RESERVE(t->texts, t->texts_capacity, t->n_texts + 1) < 0)
		return NULL;
	char *copy = strdup(text);
	t->texts[t->n_texts] = copy;
	t->n_texts += copy != NULL;
	return copy;
}

/* Rows come by benchmark and commit: mostly it is the commit of the row before. */
static int find_commit(struct filling *f, const struct history_commit *wanted)
{
	struct history_table *t = f->table;
	if (f->commit < t->n_commits && !strcmp(t->commits[f->commit].id, wanted->id))
		return 0;
	for (f->commit = 0; f->commit < t->n_commits; f->commit++)
		if (!strcmp(t->commits[f->commit].id, wanted->id))
			return 0;
	if (ARRAY_RESERVE(t->commits, t->commits_capacity, t->n_commits + 1) < 0)
		return -1;
	struct history_commit *commit = &t->commits[t->n_commits];
	*commit = *wanted;
	commit->id = keep(t, wanted->id);
	commit->subject = keep(t, wanted->subject);
	if (!commit->id || !commit->subject)
		return -1;
	t->n_commits++;
	return 0;
}

static struct history_series *find_series(struct history_table *t, const struct history_row *row)
{
	for (size_t i = 0; i < t->n_series; i++)
		if (!strcmp(t->series[i].metric, row->figure.metric) && !strcmp(t->series[i].benchmark, row->benchmark))
			return &t->series[i];
	if (ARRAY_RESERVE(t->series, t->series_capacity, t->n_series + 1) < 0)
		return NULL;
	struct history_series *series = &t->series[t->n_series];
	series->benchmark = keep(t, row->benchmark);
	series->metric = keep(t, row->figure.metric);
	series->unit = keep(t, row->figure.unit);
	if (!series->benchmark || !series->metric || !series->unit)
		return NULL;
	t->n_series++;
	return series;
}

static int add_row(void *arg, const struct history_row *row)
{
	struct filling *f = arg;
	if (!isfinite(row->figure.value))
		return 0;
	struct history_series *series = find_commit(f, &row->commit) < 0 ? NULL : find_series(f->table, row);
	if (!series || ARRAY_RESERVE(series->values, series->capacity, series->n_values + 1) < 0)
		return err_memory(f->err);
	series->values[series->n_values++] = (struct history_value){f->commit, row->figure.value};
	return 0;
}

/* --- points --- */

static double variance_of(const double *values, size_t n)
{
	double mean = 0, sum = 0;
	for (size_t i = 0; i < n; i++)
		mean += values[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		sum += (values[i] - mean) * (values[i] - mean);
	return n > 1 ? sum / (double)(n - 1) : 0;
}

/* The n values are the runs of one commit. */
static void make_point(struct history_series *s, size_t commit, double *values, size_t n, struct change_value *change)
{
	double median = change_points_median(values, n);
	s->points[s->n_points++] = (struct history_point){commit, median, values[0], values[n - 1], (unsigned)n};
	*change = (struct change_value){median, variance_of(values, n), (unsigned)n};
}

static int finish_series(struct history_series *s)
{
	double *values = malloc(s->n_values * sizeof(*values));
	struct change_value *changes = malloc(s->n_values * sizeof(*changes));
	s->points = malloc(s->n_values * sizeof(*s->points));
	int result = values && changes && s->points ? 0 : -1;
	for (size_t i = 0, n; i < s->n_values && !result; i += n) {
		for (n = 0; i + n < s->n_values && s->values[i + n].commit == s->values[i].commit; n++)
			values[n] = s->values[i + n].value;
		make_point(s, s->values[i].commit, values, n, &changes[s->n_points]);
	}
	if (!result)
		result = change_points_find(changes, s->n_points, &s->changes);
	free(values);
	free(changes);
	return result;
}

int history_read(
    struct history *h, const char *benchmark, const char *metric, struct history_table *table, struct err *err)
{
	struct filling filling = {.table = table, .err = err};
	*table = (struct history_table){0};
	int result = history_each(h, benchmark, metric, add_row, &filling, err);
	for (size_t i = 0; i < table->n_series && !result; i++)
		if (finish_series(&table->series[i]) < 0)
			result = err_memory(err);
	return result;
}

void history_table_release(struct history_table *table)
{
	for (size_t i = 0; i < table->n_series; i++) {
		free(table->series[i].points);
		free(table->series[i].values);
		change_points_release(&table->series[i].changes);
	}
	for (size_t i = 0; i < table->n_texts; i++)
		free(table->texts[i]);
	free(table->texts);
	free(table->commits);
	free(table->series);
	*table = (struct history_table){0};
}
