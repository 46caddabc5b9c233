/* What the parts of the gate share: a check in the making. Called by gate.c and gate_rate.c only. threads: one at a time. */
#ifndef GATE_CHECK_H
#define GATE_CHECK_H

#include "core/gate.h"

struct judging {
	struct gate *gate;
	struct err *err;
	double *values; /* one for each session */
};

/* Add a check, with no figures yet. returns: NULL when memory is short; valid until the next is added */
struct gate_check *gate_check_add(struct judging *j, enum check_kind kind, const char *prefix, const char *name);

/* Set verdict and reason. errors: MEMORY */
int gate_check_conclude(struct judging *j, struct gate_check *check, enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Take a metric's figures and culprits. */
void gate_check_take(struct gate_check *check, const struct metric *metric);

/* Leave out culprits that are nothing beside the first. */
void gate_check_drop_crumbs(struct gate_check *check);

/* Two figures for people, exact to the byte where they would read the same and are not. */
struct figures {
	char is[METRIC_TEXT_BYTES], limit[METRIC_TEXT_BYTES];
};
struct figures gate_check_figures(enum metric_kind kind, double is, double limit);

/* What it is about, for people. returns: text, or a constant */
#define SUBJECT_BYTES 320
const char *gate_check_subject(char text[SUBJECT_BYTES], const struct gate_check *check);

#endif
