/* A baseline: the figures of known good runs as a small JSON file that is kept in the repository and read by people. Stacks
 * go by their fingerprints, so that rebuilds and moved lines make no difference. docs/json.md tells its keys.
 * Enters: a measure, or a file. Leaves: a file, or figures to compare with. threads: any; immutable once made. */
#ifndef BASELINE_H
#define BASELINE_H

#include <stdio.h>

#include "core/measure.h"

#define BASELINE_SCHEMA "tidemark/baseline/1"

struct baseline_metric {
	char *name;
	double value, min, max; /* median of the runs, smallest, largest */
	double low, high;       /* of rates; NAN: none */
};

struct baseline_stack {
	uint64_t fingerprint;
	double values[METRIC_FIXED];
	double rate;
	char *functions; /* "parse < handle < main": some of them, for people */
};

struct baseline {
	char *program;
	uint64_t n_runs;
	struct baseline_metric *metrics;
	size_t n_metrics, metrics_capacity;
	struct baseline_stack *stacks; /* by fingerprint, ascending */
	size_t n_stacks, stacks_capacity;
};

/* Of what was measured; stacks with at least half a percent of a figure, 200 at most. errors: MEMORY */
int baseline_make(struct baseline *baseline, const struct measure *measure, struct err *err);

/* errors: SYSTEM; USAGE when the file is no baseline, or of a version that this build does not know; MEMORY */
int baseline_read(struct baseline *baseline, const char *path, struct err *err);

/* The same figures make the same bytes. returns: 0, -1 when memory is short; see ferror for the rest */
int baseline_write(const struct baseline *baseline, FILE *file);

void baseline_release(struct baseline *baseline);

/* returns: NULL when there is none */
const struct baseline_stack *baseline_find_stack(const struct baseline *baseline, uint64_t fingerprint);

#endif
