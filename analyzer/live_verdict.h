/* What can be said of leak rates while the recording goes on, by budgets and by a baseline: would more operations
 * decide? Called by cmd_drive.c. threads: one. */
#ifndef LIVE_VERDICT_H
#define LIVE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "gate_command.h"

struct live_verdict {
	uint64_t seen_ops;   /* operations that the files tell of; the newest may not have been written yet */
	bool inconclusive;   /* a limit is neither kept nor broken, and none is broken */
	uint64_t needed_ops; /* operations in all that would decide, about; 0: more would not help */
	char reason[256];    /* what is inconclusive; one sentence, lower case, no full stop */
};

/* Read the session's files, as far as they are written.
 * gate: the one that will judge in the end
 * errors: those of operations_read, and of the suppression files */
int live_verdict_read(struct live_verdict *verdict, const char *const *paths, size_t n_paths,
    const struct gate_command *gate, struct err *err);

/* Whether there are budgets, or rates of a baseline, that operations decide. */
bool live_verdict_wanted(const struct gate_command *gate);

#endif
