/* Recordings read into a measure. Enters: files. Leaves: a measure. Called by measuring.c and cmd_selftest.c, freed by
 * whoever has it. threads: one at a time. */
#ifndef MEASURE_READ_H
#define MEASURE_READ_H

#include "core/measure.h"

struct measure_options {
	frame_lookup *lookup; /* may be NULL; names for frames, as in stacks_add */
	runtime_callee *callee;
	void *lookup_arg, *callee_arg;
	struct suppressions *suppressions; /* taken; the program's own are added. NULL: none but those */
	void (*waiting)(const char *path);
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *progress_arg;
};

/* Read all files: those of one session together, each session as a run.
 * out:    for measure_free; NULL on an error
 * errors: those of trace_open, USAGE when a recording is given twice, MEMORY
 * cost:   two passes over each file, four where a session has several or operations */
int measure_read(struct measure **out, const char *const *paths, size_t n_paths, const struct measure_options *options,
    struct err *err);
void measure_free(struct measure *measure);

#endif
