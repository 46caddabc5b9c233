/* The gate: figures against budgets and against a baseline, with a verdict and a reason for each. docs/metrics.md,
 * "The gate", tells the rules. Enters: a measure, thresholds, maybe a baseline. Leaves: checks, worst first. Called by
 * gate_command.c, cmd_baseline.c and cmd_selftest.c. threads: one at a time. */
#ifndef GATE_H
#define GATE_H

#include <time.h>

#include "core/baseline.h"
#include "core/gate_config.h"
#include "core/measure.h"

enum verdict { /* by precedence */
	VERDICT_PASS,
	VERDICT_WARN,
	VERDICT_INCONCLUSIVE,
	VERDICT_INCOMPLETE,
	VERDICT_FAIL,
};

enum check_kind {
	CHECK_BUDGET,
	CHECK_REGRESSION,
	CHECK_SUPPRESSION, /* one that has expired */
	CHECK_RECORDING,   /* --strict: whether the recordings are whole */
};

struct gate_check {
	enum check_kind kind;
	enum verdict verdict;
	char *name; /* unique: the metric's, "regression/METRIC", "suppression/PATTERN", "recording" */
	enum metric_kind metric_kind;
	const char *operation; /* RATE_OF */
	/* NAN: none of it */
	double value, low, high;
	double budget, critical; /* budget: above it the check does not pass; critical: above it it fails */
	double baseline;
	double detectable;   /* of rates: the smallest leak that every run could have seen */
	uint64_t needed_ops; /* of rates without a verdict: about so many operations would give one; 0: unknown */
	char *reason;        /* one sentence: lower case, no full stop */
	struct culprit culprits[METRIC_CULPRITS];
	size_t n_culprits;
	bool grown; /* the culprits' values are growth since the baseline */
};

struct gate {
	enum verdict verdict; /* of all checks, with the policy for inconclusive ones */
	struct gate_check *checks;
	size_t n_checks, capacity;
	const struct measure *measure;
	const struct baseline *baseline; /* NULL: none */
	const struct gate_config *config;
};

/* now: the time for suppressions' last days. errors: MEMORY */
int gate_judge(struct gate *gate, const struct measure *measure, const struct gate_config *config,
    const struct baseline *baseline, time_t now, struct err *err);
void gate_release(struct gate *gate);

/* "pass", "warn", "inconclusive", "incomplete", "fail" */
const char *verdict_name(enum verdict verdict);
/* "budget", "regression", "suppression", "recording" */
const char *check_kind_name(enum check_kind kind);

/* What a check's verdict counts as under --on-inconclusive. */
enum verdict gate_counts_as(const struct gate *gate, enum verdict verdict);

/* The frame that a person would look at first: see measure_own_frame. returns: NULL when the stack is not kept */
const struct measure_frame *gate_frame(const struct measure *measure, uint32_t stack);

#endif
