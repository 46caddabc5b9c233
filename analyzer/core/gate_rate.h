/* The gate's verdicts on leak rates: every run is judged by itself, and most decide. Called by gate.c. threads: one at a
 * time. */
#ifndef GATE_RATE_H
#define GATE_RATE_H

#include "core/gate_check.h"

/* Judge the operations of one name, NULL: all, by a budget in bytes per 100. errors: MEMORY */
int gate_rate_budget(struct judging *j, const char *operation, double budget);

/* Judge growth since the baseline. It must be shown: without proof there is none, else a short run could never pass.
 * errors: MEMORY */
int gate_rate_change(
    struct judging *j, struct gate_check *check, const struct metric *metric, const struct baseline_metric *was);

/* There is no such operation. errors: MEMORY */
int gate_rate_missing(struct judging *j, struct gate_check *check, const char *operation);

#endif
