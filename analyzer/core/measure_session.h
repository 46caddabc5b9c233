/* One session of a measure, read file by file, and what measure.c lends for that. Called by measure.c only.
 * threads: one at a time. */
#ifndef MEASURE_SESSION_H
#define MEASURE_SESSION_H

#include "core/measure.h"

/* Add the figures and stacks of session `index`, whose paths are known. errors: those of trace_open, MEMORY */
int measure_session_read(struct measure *measure, size_t index, const struct measure_options *options, struct err *err);

/* Find or make the metric of an operation's rate, NULL: of the total's. returns: NULL when memory is short */
struct metric *measure_rate_metric(struct measure *measure, const char *operation);

#endif
