/* Figures of many runs over a project's commits, kept in an SQLite file. Several processes may add at the same time.
 * docs/metrics.md tells how commits are ordered and what is made of their runs. threads: one per struct history. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/change_points.h"

struct history; /* an open file */

enum history_mode {
	HISTORY_READ, /* the file must be there; it is not changed */
	HISTORY_ADD,  /* made when it is not there */
};

struct history_commit {
	const char *id;      /* as git prints it in full, or whatever the user calls it */
	const char *subject; /* "" when unknown */
	int64_t time;        /* seconds since 1970; commits are ordered by it */
	int64_t place;       /* among commits of the same second: how many of them come before */
};

struct history_figure {
	const char *metric, *unit;
	double value;
	double low, high; /* NAN: without an interval */
};

struct history_run {
	const char *benchmark;
	const char *key; /* tells runs of one commit and benchmark apart; NULL: it is new in any case */
	const struct history_figure *figures;
	size_t n_figures;
};

/* errors: NOT_FOUND, SYSTEM; NOT_TRACE when the file is no history, VERSION when a newer Tidemark wrote it, CORRUPT */
int history_open(struct history **out, const char *path, enum history_mode mode, struct err *err);
void history_close(struct history *history);

/* Add the runs of one commit, all or none. A run whose key is there already is left as it is.
 * n_added: how many were new
 * errors:  SYSTEM, also when other processes kept the file locked for half a minute; CORRUPT */
int history_add(struct history *history, const struct history_commit *commit, const struct history_run *runs,
    size_t n_runs, size_t *n_added, struct err *err);

/* One figure of one run, as stored. Texts are valid during the call. */
struct history_row {
	struct history_commit commit;
	const char *benchmark;
	int64_t run, added; /* its number; seconds since 1970 */
	struct history_figure figure;
};

/* Call visit for each, by benchmark, oldest commit first, then in the order they were added.
 * benchmark, metric: NULL for all
 * visit:  its result ends the walk unless it is 0
 * errors: SYSTEM, CORRUPT, what visit returned */
int history_each(struct history *history, const char *benchmark, const char *metric,
    int (*visit)(void *arg, const struct history_row *row), void *arg, struct err *err);

/* --- a figure over the commits --- */

struct history_point {
	size_t commit; /* into history_table.commits */
	double median, lowest, highest;
	unsigned n_runs;
};

struct history_series {
	const char *benchmark, *metric, *unit;
	struct history_point *points; /* oldest first */
	size_t n_points;
	struct change_points changes; /* .at: into points */
	/* private: the figures of the runs */
	struct history_value *values;
	size_t n_values, capacity;
};

struct history_table {
	struct history_commit *commits; /* of all series together */
	size_t n_commits, commits_capacity;
	struct history_series *series; /* by benchmark, then in the order their figures were reported */
	size_t n_series, series_capacity;
	/* private */
	char **texts; /* that the others point to */
	size_t n_texts, texts_capacity;
};

/* Read all of it into medians by commit, and find the changes. errors: as history_each, MEMORY */
int history_read(
    struct history *history, const char *benchmark, const char *metric, struct history_table *table, struct err *err);
void history_table_release(struct history_table *table);

#endif
