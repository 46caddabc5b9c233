/* Noise: see gate_noise.h. */
#include "core/gate_noise.h"

#include <math.h>

/* Below these a difference is none: buffers that happen to be in flight at the end, pages that the kernel happened to map.
 * docs/metrics.md gives them to users. */
static const double least[] = {
    [METRIC_PEAK_HEAP] = 4e3,
    [METRIC_PEAK_RSS] = 1e6,
    [METRIC_LEAKED] = 1e3,
    [METRIC_PROGRAM] = 1e3,
    [METRIC_ALLOCATIONS] = 100,
    [METRIC_ALLOCATED] = 4e3,
    [METRIC_TEMPORARY] = 100,
    [METRIC_RATE] = 100, /* threads that start a little later each time */
    [METRIC_RATE_OF] = 100,
};

double noise_limit(enum metric_kind kind, const struct baseline_metric *was, double percent)
{
	double limit = fmax(was->value * (1 + percent / 100), was->max);
	if (isfinite(was->high))
		limit = fmax(limit, was->high);
	return fmax(limit, was->value + least[kind]);
}

bool noise_only_warns(enum metric_kind kind)
{
	return kind == METRIC_ALLOCATIONS || kind == METRIC_ALLOCATED || kind == METRIC_TEMPORARY;
}
