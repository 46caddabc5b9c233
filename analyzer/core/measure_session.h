/* One session of a measure, read file by file. Called by measure_read.c only. threads: one at a time. */
#ifndef MEASURE_SESSION_H
#define MEASURE_SESSION_H

#include "core/measure_read.h"

/* Add the figures and stacks of session `index`, whose paths are known. errors: those of trace_open, MEMORY */
int measure_session_read(struct measure *measure, size_t index, const struct measure_options *options, struct err *err);

#endif
