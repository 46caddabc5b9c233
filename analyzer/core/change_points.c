/* Change points: see change_points.h.
 *
 * For each number of levels the best division of the history is found: the one whose values lie nearest to the medians
 * of their levels (absolute distances, so that a single outlier moves nothing). The largest number of levels counts at
 * which every step stands up to all questions of is_step(). Dividing step by step instead would miss a level that came
 * and went. */
#include "core/change_points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEVELS 16
#define MIN_VALUES 2         /* of a level: one commit alone may be an accident */
#define CHANCE 0.001         /* shared out among the places where a step could be */
#define ORDER_CHANCE 0.02    /* see chance_by_order() */
#define MIN_DRIFT 8          /* values */
#define MIN_CHANGE 0.01      /* smaller steps are true perhaps, and nobody's concern */
#define MEDIAN_VARIANCE 1.57 /* pi / 2: of a median against that of a mean, for many normal values */

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

double change_points_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double median_of(const struct change_value *values, size_t n)
{
	double copy[CHANGE_POINTS_MAX_VALUES];
	for (size_t i = 0; i < n; i++)
		copy[i] = values[i].value;
	return change_points_median(copy, n);
}

/* --- two neighbouring levels --- */

struct level {
	const struct change_value *values;
	size_t n;
};

/* A step, as seen from the shorter of its two levels. */
struct step {
	struct level level, other;
	struct level beyond; /* on the other side of the level; empty at an end of the history */
	double median, other_median;
};

static double mean_of(struct level level)
{
	double sum = 0;
	for (size_t i = 0; i < level.n; i++)
		sum += level.values[i].value;
	return sum / (double)level.n;
}

static double squares_about(struct level level, double centre)
{
	double sum = 0;
	for (size_t i = 0; i < level.n; i++)
		sum += (level.values[i].value - centre) * (level.values[i].value - centre);
	return sum;
}

/* Closed sums for whole degrees of freedom: Abramowitz and Stegun, 26.7.3 and 26.7.4. */
double change_points_student(double t, unsigned freedom)
{
	double angle = atan(fabs(t) / sqrt(freedom)), cosine = cos(angle), squared = cosine * cosine;
	double term = freedom % 2 ? cosine : 1, sum = 0;
	for (unsigned k = freedom % 2 ? 1 : 0; k + 2 <= freedom; k += 2) {
		sum += term;
		term *= squared * (k + 1) / (k + 2);
	}
	double inside = freedom % 2 ? (angle + sin(angle) * sum) * 2 / M_PI : sin(angle) * sum;
	return inside < 1 ? 1 - inside : 0;
}

/* What the runs of single commits say about the noise of a median: commits may agree by accident. */
static double run_variance(struct level level)
{
	double sum = 0;
	for (size_t i = 0; i < level.n; i++)
		sum += level.values[i].run_variance * (level.values[i].n_runs > 2 ? MEDIAN_VARIANCE : 1) /
		       level.values[i].n_runs;
	return sum / (double)level.n;
}

static double chance_by_mean(struct level a, struct level b)
{
	double mean_a = mean_of(a), mean_b = mean_of(b);
	unsigned freedom = (unsigned)(a.n + b.n - 2);
	double variance = (squares_about(a, mean_a) + squares_about(b, mean_b)) / freedom;
	double runs = (run_variance(a) * (double)a.n + run_variance(b) * (double)b.n) / (double)(a.n + b.n);
	if (runs > variance)
		variance = runs;
	if (variance <= 0)
		return 0;
	double error = sqrt(variance * (1 / (double)a.n + 1 / (double)b.n));
	return change_points_student((mean_a - mean_b) / error, freedom);
}

/* Mann and Whitney's test in its normal approximation, with ties. It sees a step that an outlier hides from the means. */
static double chance_by_rank(struct level a, struct level b)
{
	double all[CHANGE_POINTS_MAX_VALUES], wins = 0, ties = 0;
	size_t n = a.n + b.n;
	for (size_t i = 0; i < a.n; i++)
		for (size_t j = 0; j < b.n; j++) {
			double left = a.values[i].value, right = b.values[j].value;
			wins += left > right ? 1 : left < right ? 0 : 0.5;
		}
	for (size_t i = 0; i < n; i++)
		all[i] = i < a.n ? a.values[i].value : b.values[i - a.n].value;
	qsort(all, n, sizeof(*all), compare_doubles);
	for (size_t i = 0, same; i < n; i += same) {
		for (same = 1; i + same < n && all[i + same] == all[i];)
			same++;
		ties += (double)same * ((double)same * (double)same - 1);
	}
	double product = (double)a.n * (double)b.n, size = (double)n;
	double variance = product / 12 * (size + 1 - ties / (size * (size - 1)));
	double distance = fabs(wins - product / 2) - 0.5;
	return variance > 0 && distance > 0 ? erfc(distance / sqrt(2 * variance)) : 1;
}

static size_t runs_of(struct level level)
{
	size_t sum = 0;
	for (size_t i = 0; i < level.n; i++)
		sum += level.values[i].n_runs;
	return sum;
}

static size_t nearer_to(double to, double than, struct level level)
{
	size_t n = 0;
	for (size_t i = 0; i < level.n; i++)
		n += fabs(level.values[i].value - to) < fabs(level.values[i].value - than);
	return n;
}

/* A level between two others that are like each other: it came and went. */
static bool returns(const struct step *step)
{
	return step->beyond.n && nearer_to(step->other_median, step->median, step->beyond) * 2 > step->beyond.n;
}

/* Values that jump between a few exact numbers, or away and back, have no honest spread. So it is asked how likely the
 * level's values are to meet in a row by accident, when each has the chance that is seen among the values around. */
static double chance_by_order(const struct step *step)
{
	size_t around = step->other.n, alike = nearer_to(step->median, step->other_median, step->other);
	if (returns(step)) {
		around += step->beyond.n;
		alike += nearer_to(step->median, step->other_median, step->beyond);
	}
	double each = (double)(alike + 1) / (double)(around + 1);
	return pow(each, (double)runs_of(step->level)) * (returns(step) ? (double)around : 1);
}

/* Whether the straight line through the middles of the two levels fits them better than the levels do: a drift has no
 * commit to be named. */
static bool is_slope(struct level a, struct level b, double level_a, double level_b)
{
	double slope = (level_b - level_a) * 2 / (double)(a.n + b.n), middle = ((double)a.n - 1) / 2;
	double by_line = 0, by_step = 0;
	for (size_t i = 0; i < a.n + b.n; i++) {
		double value = a.values[i].value; /* b's values follow a's */
		by_line += fabs(value - (level_a + ((double)i - middle) * slope));
		by_step += fabs(value - (i < a.n ? level_a : level_b));
	}
	return by_line < by_step;
}

/* before, after: levels beyond the two, empty at the ends of the history of n values */
static bool is_step(
    struct level before, struct level a, struct level b, struct level after, size_t n, struct change *change)
{
	change->before = median_of(a.values, a.n);
	change->after = median_of(b.values, b.n);
	double difference = fabs(change->after - change->before);
	if (difference <= 0 || difference < MIN_CHANGE * fmax(fabs(change->before), fabs(change->after)))
		return false;
	struct step step = {b, a, after, change->after, change->before};
	if (a.n < b.n)
		step = (struct step){a, b, before, change->before, change->after};
	double by_mean = chance_by_mean(a, b), by_rank = chance_by_rank(a, b);
	double places = returns(&step) ? (double)n * (double)n : (double)n;
	change->chance = fmin(by_mean, by_rank);
	return change->chance <= CHANCE / places && chance_by_order(&step) <= ORDER_CHANCE &&
	       !is_slope(a, b, change->before, change->after);
}

/* --- the best divisions --- */

struct division {
	const struct change_value *values;
	size_t n, max_levels;
	double *cost;   /* of a level from value i to j: [i * n + j] */
	double *best;   /* of the first j values in k + 1 levels: [k * (n + 1) + j] */
	size_t *before; /* the last of those levels begins there */
};

static void release_division(struct division *d)
{
	free(d->cost);
	free(d->best);
	free(d->before);
}

/* Sum of the distances to the median, for all levels that begin at value i. */
static void add_costs(struct division *d, size_t i)
{
	double sorted[CHANGE_POINTS_MAX_VALUES];
	for (size_t j = i, n = 0; j < d->n; j++, n++) {
		size_t at = n;
		for (; at && sorted[at - 1] > d->values[j].value; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = d->values[j].value;
		double sum = 0;
		for (size_t low = 0, high = n; low < high; low++, high--)
			sum += sorted[high] - sorted[low];
		d->cost[i * d->n + j] = sum;
	}
}

static void add_level(struct division *d, size_t k)
{
	size_t row = d->n + 1;
	for (size_t j = 0; j <= d->n; j++) {
		double *best = &d->best[k * row + j];
		*best = INFINITY;
		for (size_t i = k ? k * MIN_VALUES : 0; i + MIN_VALUES <= j; i++) {
			double cost = (k ? d->best[(k - 1) * row + i] : i ? INFINITY : 0) + d->cost[i * d->n + j - 1];
			if (cost < *best) {
				*best = cost;
				d->before[k * row + j] = i;
			}
		}
	}
}

static int divide(struct division *d)
{
	d->max_levels = d->n / MIN_VALUES < MAX_LEVELS ? d->n / MIN_VALUES : MAX_LEVELS;
	d->cost = malloc(d->n * d->n * sizeof(*d->cost));
	d->best = malloc(d->max_levels * (d->n + 1) * sizeof(*d->best));
	d->before = calloc(d->max_levels * (d->n + 1), sizeof(*d->before));
	if (!d->cost || !d->best || !d->before)
		return -1;
	for (size_t i = 0; i < d->n; i++)
		add_costs(d, i);
	for (size_t k = 0; k < d->max_levels; k++)
		add_level(d, k);
	return 0;
}

static struct level level_at(const struct division *d, const size_t *starts, size_t n_levels, size_t k)
{
	if (k >= n_levels) /* below 0 too */
		return (struct level){d->values, 0};
	return (struct level){d->values + starts[k], starts[k + 1] - starts[k]};
}

/* The steps of the best division into n_levels. returns: whether all of them are steps */
static bool judge(const struct division *d, size_t n_levels, struct change *changes)
{
	size_t starts[MAX_LEVELS + 1];
	starts[n_levels] = d->n;
	for (size_t k = n_levels; k-- > 0;)
		starts[k] = d->before[k * (d->n + 1) + starts[k + 1]];
	for (size_t k = 1; k < n_levels; k++) {
		changes[k - 1].at = starts[k];
		if (!is_step(level_at(d, starts, n_levels, k - 2), level_at(d, starts, n_levels, k - 1),
		        level_at(d, starts, n_levels, k), level_at(d, starts, n_levels, k + 1), d->n, &changes[k - 1]))
			return false;
	}
	return true;
}

/* --- drift --- */

/* Mann and Kendall's test for a trend, in its normal approximation, with ties. */
static double chance_of_trend(struct level level)
{
	double sorted[CHANGE_POINTS_MAX_VALUES], score = 0, n = (double)level.n;
	double variance = n * (n - 1) * (2 * n + 5);
	for (size_t i = 0; i < level.n; i++) {
		sorted[i] = level.values[i].value;
		for (size_t j = 0; j < i; j++)
			score += compare_doubles(&level.values[i].value, &level.values[j].value);
	}
	qsort(sorted, level.n, sizeof(*sorted), compare_doubles);
	for (size_t i = 0, same; i < level.n; i += same) {
		for (same = 1; i + same < level.n && sorted[i + same] == sorted[i];)
			same++;
		variance -= (double)same * ((double)same - 1) * (2 * (double)same + 5);
	}
	double distance = fabs(score) - 1;
	return variance > 0 && distance > 0 ? erfc(distance / sqrt(2 * variance / 18)) : 1;
}

/* The median of the slopes between all pairs (Theil and Sen). returns: 0 also when memory is short */
static double slope_of(struct level level)
{
	size_t n = 0;
	double *slopes = malloc(level.n * level.n / 2 * sizeof(*slopes)), slope = 0;
	for (size_t i = 1; slopes && i < level.n; i++)
		for (size_t j = 0; j < i; j++)
			slopes[n++] = (level.values[i].value - level.values[j].value) / (double)(i - j);
	if (n)
		slope = change_points_median(slopes, n);
	free(slopes);
	return slope;
}

static void look_for_drift(struct level level, struct change_points *found)
{
	if (level.n < MIN_DRIFT || chance_of_trend(level) > CHANCE)
		return;
	double slope = slope_of(level), size = fabs(median_of(level.values, level.n));
	if (fabs(slope) * (double)(level.n - 1) >= MIN_CHANGE * size)
		found->drift = slope;
}

/* --- all --- */

static void look_at_last(const struct change_value *values, size_t n, struct change_points *found)
{
	struct level rest = {values + found->last_level, n - found->last_level - 1}, last = {values + n - 1, 1};
	found->level = median_of(rest.values, rest.n + 1);
	if (rest.n < MIN_VALUES)
		return;
	double level = median_of(rest.values, rest.n), value = last.values->value;
	found->last_stands_out = fabs(value - level) >= MIN_CHANGE * fmax(fabs(value), fabs(level)) && value != level &&
	                         chance_by_mean(rest, last) <= CHANCE;
	if (found->last_stands_out)
		found->level = level;
}

static bool too_short(const struct change_value *values, size_t n)
{
	for (size_t i = MIN_VALUES; i + MIN_VALUES <= n; i++) {
		struct step step = {.level = {values, i}, .other = {values + i, n - i}};
		if (i > n - i)
			step = (struct step){.level = step.other, .other = step.level};
		if (pow(1 / (double)(step.other.n + 1), (double)runs_of(step.level)) <= ORDER_CHANCE)
			return false;
	}
	return true;
}

int change_points_find(const struct change_value *values, size_t n, struct change_points *found)
{
	*found = (struct change_points){.too_short = true};
	if (!n)
		return 0;
	size_t skipped = n > CHANGE_POINTS_MAX_VALUES ? n - CHANGE_POINTS_MAX_VALUES : 0;
	struct division d = {.values = values + skipped, .n = n - skipped};
	found->too_short = too_short(d.values, d.n);
	found->items = calloc(MAX_LEVELS, sizeof(*found->items));
	if (!found->items || (!found->too_short && divide(&d) < 0)) {
		release_division(&d);
		change_points_release(found);
		return -1;
	}
	/* distances beyond what a double holds have no best division */
	bool countable = !found->too_short && isfinite(d.cost[d.n - 1]);
	for (size_t k = countable ? d.max_levels : 0; k > 1 && !found->n_items; k--)
		if (judge(&d, k, found->items))
			found->n_items = k - 1;
	found->last_level = found->n_items ? found->items[found->n_items - 1].at : 0;
	look_at_last(d.values, d.n, found);
	look_for_drift((struct level){d.values + found->last_level, d.n - found->last_level}, found);
	found->last_level += skipped;
	for (size_t i = 0; i < found->n_items; i++)
		found->items[i].at += skipped;
	release_division(&d);
	return 0;
}

void change_points_release(struct change_points *found)
{
	free(found->items);
	*found = (struct change_points){0};
}
