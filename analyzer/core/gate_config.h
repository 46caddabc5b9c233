/* What a gate judges by: thresholds from a tidemark.toml and from the command line, under the same names. Enters: names and
 * texts. Leaves: numbers, checked. threads: any. */
#ifndef GATE_CONFIG_H
#define GATE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define GATE_REGRESSION_PERCENT 10.0
#define GATE_CONFIG_FILE "tidemark.toml"

struct gate_limit {      /* NAN: none */
	double target;   /* above: a warning */
	double critical; /* above: failure */
};

struct gate_op_budget {
	char *name;
	double budget;
};

enum gate_policy { GATE_KEEP, GATE_PASS, GATE_WARN, GATE_FAIL };

struct gate_config {
	double rate_budget; /* bytes per 100 operations; NAN: none */
	struct gate_op_budget *ops;
	size_t n_ops, ops_capacity;
	struct gate_limit peak_heap, peak_rss, leaked;
	char *baseline;
	double regression_percent;
	char **suppressions; /* files */
	size_t n_suppressions, suppressions_capacity;
	enum gate_policy on_inconclusive;
	bool plain, strict;
	char *path; /* the file that was read; NULL: none */
	const char
	    *missing; /* what the recordings do not cover: forbids a pass; a sentence, not owned; NULL: nothing */
};

void gate_config_init(struct gate_config *config);
void gate_config_release(struct gate_config *config);

/* Set one threshold. Names: leak-per-100-ops SIZE, op NAME=SIZE, peak-heap, peak-rss, leaked SIZE[:CRITICAL], baseline
 * FILE, regression PERCENT, suppressions FILE (adds one), on-inconclusive fail|warn|pass, method interval|plain.
 * what:   how messages call it: "--peak-heap"
 * errors: USAGE; NOT_FOUND when there is no such name; MEMORY */
int gate_config_set(struct gate_config *config, const char *name, const char *text, const char *what, struct err *err);

/* Read a file; its paths are meant from its own folder. errors: SYSTEM, USAGE with path and line, MEMORY */
int gate_config_read(struct gate_config *config, const char *path, struct err *err);

/* Look for tidemark.toml in the current folder and upwards to the root of the repository (the folder with .git); outside
 * of a repository in the current folder only: what lies further up may be anybody's.
 * returns: 0 with *path, to be freed, NULL when there is none. errors: MEMORY */
int gate_config_find(char **path, struct err *err);

/* The root of the repository that the current folder is in, the current folder itself outside of one. root: 4096 bytes */
void gate_config_root(char *root);

/* Whether anything is to be judged. */
bool gate_config_judges(const struct gate_config *config);

#endif
