/* Statistics over a series of batch sums: means, differences, and 99 % one-sided bounds of the mean that hold for sparse,
 * skewed and correlated series of values >= 0. Formulas and evidence: docs/metrics.md. Pure functions. */
#ifndef BATCHES_H
#define BATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batches { /* a view */
	const double *y;
	size_t n;
};

struct bounds {
	double low, high;
};

static inline struct batches batches_slice(struct batches b, size_t from, size_t to)
{
	return (struct batches){b.y + from, to - from};
}

static inline struct batches batches_first_half(struct batches b)
{
	return batches_slice(b, 0, b.n / 2);
}

static inline struct batches batches_second_half(struct batches b)
{
	return batches_slice(b, b.n / 2, b.n);
}

double batches_sum(struct batches b);
double batches_mean(struct batches b);
double batches_deviation(struct batches b); /* of the sample: n - 1 */
size_t batches_nonzero(struct batches b);

/* mean(a) - mean(b) and its standard error; both 0 when either has fewer than two values. */
double batches_difference(struct batches a, struct batches b, double *error);

/* The first half lies above the second by more than so many standard errors, and by more than this part of the mean. */
bool batches_decline(struct batches b, double errors, double slight);

/* cost: O(n), plus a bisection when most batches are empty */
struct bounds batches_bounds(struct batches b);

double student_t99(double degrees);                 /* 99 % one-sided quantile, Cornish-Fisher */
double poisson_bound99(uint64_t count, bool upper); /* exact by bisection up to 200, then normal */

#define Z99 2.3263 /* 99 % one-sided quantile of the normal distribution */

#endif
