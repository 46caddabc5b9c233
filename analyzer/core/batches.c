/* Statistics over a series of batch sums. Enters: arrays of sums >= 0. Leaves: means, bounds. Called by estimate.c. */
#include "core/batches.h"

#include <math.h>

double student_t99(double nu)
{
	const double z = Z99, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
	return z + (z3 + z) / (4 * nu) + (5 * z5 + 16 * z3 + 3 * z) / (96 * nu * nu) +
	       (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * nu * nu * nu);
}

/* P(X <= k) for a Poisson X of mean mu; -1 as k gives 0. */
static double poisson_cdf(int64_t k, double mu)
{
	if (k < 0)
		return 0;
	double term = exp(-mu), sum = term;
	for (int64_t i = 1; i <= k; i++) {
		term *= mu / (double)i;
		sum += term;
	}
	return sum;
}

double poisson_bound99(uint64_t count, bool upper)
{
	const double alpha = 0.01, n = (double)count;
	if (!upper && count == 0)
		return 0;
	if (count > 200)
		return n + (upper ? Z99 : -Z99) * sqrt(n) + 2;
	double low = 0, high = n + 10 + 6 * sqrt(n + 1);
	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;
		bool below = upper ? poisson_cdf((int64_t)count, middle) > alpha
		                   : 1 - poisson_cdf((int64_t)count - 1, middle) < alpha;
		if (below)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

double batches_sum(struct batches b)
{
	double sum = 0;
	for (size_t i = 0; i < b.n; i++)
		sum += b.y[i];
	return sum;
}

double batches_mean(struct batches b)
{
	return b.n ? batches_sum(b) / (double)b.n : 0;
}

/* Sum of the p-th powers of the distances to mu. */
static double moment(struct batches b, double mu, int p)
{
	double sum = 0;
	for (size_t i = 0; i < b.n; i++) {
		double d = b.y[i] - mu;
		sum += p == 2 ? d * d : d * d * d;
	}
	return sum;
}

double batches_deviation(struct batches b)
{
	return b.n < 2 ? 0 : sqrt(moment(b, batches_mean(b), 2) / (double)(b.n - 1));
}

size_t batches_nonzero(struct batches b)
{
	size_t n = 0;
	for (size_t i = 0; i < b.n; i++)
		n += b.y[i] > 0;
	return n;
}

double batches_difference(struct batches a, struct batches b, double *error)
{
	*error = 0;
	if (a.n < 2 || b.n < 2)
		return 0;
	double da = batches_deviation(a), db = batches_deviation(b);
	*error = sqrt(da * da / (double)a.n + db * db / (double)b.n);
	return batches_mean(a) - batches_mean(b);
}

bool batches_decline(struct batches b, double errors, double slight)
{
	double error, d = batches_difference(batches_first_half(b), batches_second_half(b), &error);
	return d > errors * error && d > slight * batches_mean(b);
}

/* t times the standard error of the mean, with fewer effective batches when neighbours are correlated. */
static double half_width(struct batches b)
{
	double n = (double)b.n, s = batches_deviation(b), mu = batches_mean(b), effective = n, product = 0;
	if (s == 0)
		return 0;
	for (size_t i = 1; i < b.n; i++)
		product += (b.y[i] - mu) * (b.y[i - 1] - mu);
	double r = product / moment(b, mu, 2);
	if (r > 1.65 / sqrt(n)) {
		r = fmin(0.95, r + (1 + 4 * r) / n); /* r is biased low in short series */
		effective = n * (1 - r) / (1 + r);
	}
	if (effective < 3)
		return INFINITY;
	return student_t99(round(effective * 100) / 100 - 1) * s / sqrt(effective);
}

/* Upper bound of the mean with one more value appended, as large as the largest might have been with bad luck. */
static double high_bound(struct batches b, double largest, double width)
{
	double n = (double)b.n, mu = batches_mean(b), m2 = moment(b, mu, 2) / n;
	double skew = m2 > 0 ? moment(b, mu, 3) / n / pow(m2, 1.5) : 0;
	double extra = largest + (largest - mu) * fmin(1, fmax(0, skew) / 1.5);
	double m = n + 1, mu1 = (mu * n + extra) / m, d = extra - mu1;
	double q2 = moment(b, mu1, 2) + d * d, q3 = moment(b, mu1, 3) + d * d * d;
	double s = sqrt(q2 / n), t = student_t99(n);
	double skew1 = s > 0 ? q3 / m / (s * s * s) : 0;
	double high = mu1 + fmax(width, t * s / sqrt(m)) + s * fmax(0, skew1) * (1 + 2 * t * t) / (6 * m);
	return fmin(high, 2 * largest);
}

struct bounds batches_bounds(struct batches b)
{
	size_t nonzero = batches_nonzero(b);
	if (nonzero == 0)
		return (struct bounds){0, 0};
	if (b.n < 4)
		return (struct bounds){0, INFINITY};
	double m = (double)b.n, n = (double)nonzero, sum = batches_sum(b), largest = 0;
	for (size_t i = 0; i < b.n; i++)
		largest = fmax(largest, b.y[i]);
	double width = half_width(b);
	double low = fmax(sum / m - width, poisson_bound99(nonzero, false) / m * (sum - largest) / n);
	double high = high_bound(b, largest, width);
	if (2 * nonzero <= b.n)
		high = fmax(high, poisson_bound99(nonzero, true) / m * sum / n);
	return (struct bounds){fmax(0, low), high};
}
