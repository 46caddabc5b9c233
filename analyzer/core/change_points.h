/* Where a figure's level changed along a history of commits, told from noise. docs/metrics.md describes the method to
 * users. Enters: one value for each commit, oldest first. Leaves: the commits at which a new level begins.
 * threads: any. */
#ifndef CHANGE_POINTS_H
#define CHANGE_POINTS_H

#include <stdbool.h>
#include <stddef.h>

/* More values than this: only the latest are looked at. */
#define CHANGE_POINTS_MAX_VALUES 500

struct change_value {
	double value;        /* the commit's median, finite */
	double run_variance; /* of its runs; 0 when there is one run only */
	unsigned n_runs;     /* at least 1 */
};

struct change {
	size_t at;            /* the first value of the new level */
	double before, after; /* the levels: medians of the values between the changes */
	double chance;        /* p-value of the step, before it is corrected for the number of places looked at */
};

struct change_points {
	struct change *items; /* in order; freed by change_points_release */
	size_t n_items;
	bool last_stands_out; /* the last value alone is far off its level: one more like it would be a change */
	double level;         /* median of the values since the last change, the one that stands out apart */
	bool too_short;       /* no change could be told from chance yet */
	size_t last_level;    /* where the last level begins; it goes to the end */
	double drift;         /* of the last level, from value to value; 0: none that is no chance */
};

/* returns: 0, -1 when memory is short
 * cost:    cubic in n up to the maximum: 0.1 s there */
int change_points_find(const struct change_value *values, size_t n, struct change_points *found);
void change_points_release(struct change_points *found);

/* The chance of a value of Student's t, with `freedom` degrees, at least as far from 0 as t. */
double change_points_student(double t, unsigned freedom);

/* The median of a non-empty array, which is put in order. */
double change_points_median(double *values, size_t n);

#endif
