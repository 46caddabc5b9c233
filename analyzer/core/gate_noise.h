/* How much a figure may differ from its baseline before that is a regression. threads: any. */
#ifndef GATE_NOISE_H
#define GATE_NOISE_H

#include "core/baseline.h"

/* The largest value that is no regression: the baseline's plus `percent`, the largest of the baseline's runs (the upper
 * bound where it is a rate), or the baseline's plus a small absolute amount, whichever is largest. */
double noise_limit(enum metric_kind kind, const struct baseline_metric *was, double percent);

/* Counts of work rather than of memory: they follow the load, so they warn at most. */
bool noise_only_warns(enum metric_kind kind);

#endif
