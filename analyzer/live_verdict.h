/* What can be said of leak budgets while the recording goes on: would more operations decide? Called by cmd_drive.
 * threads: one. */
#ifndef LIVE_VERDICT_H
#define LIVE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/gate_config.h"
#include "report.h"

struct live_verdict {
	uint64_t seen_ops;   /* operations that the files tell of; the newest may not have been written yet */
	bool inconclusive;   /* a budget is neither kept nor broken, and none is broken */
	uint64_t needed_ops; /* operations in all that would decide, about; 0: more would not help */
	char reason[256];    /* what is inconclusive; one sentence, lower case, no full stop */
};

/* Read the session's files, as far as they are written.
 * report: of the gate that will judge in the end, for its suppressions and debug files
 * errors: those of operations_read, and of the suppression files */
int live_verdict_read(struct live_verdict *verdict, const char *const *paths, size_t n_paths,
    const struct gate_config *config, const struct report_options *report, struct err *err);

/* Whether there are budgets that operations decide. */
bool live_verdict_has_budgets(const struct gate_config *config);

#endif
