/* Measures recordings with everything that a command has: names that must be found first, suppressions, progress. Called by
 * the commands that go by metrics. threads: one. */
#ifndef MEASURING_H
#define MEASURING_H

#include "core/measure_read.h"
#include "report.h"

/* options: sysroot, debug_dirs, suppression_files, no_debug_files, no_built_in count
 * errors: those of measure_read, and of the suppression files */
int measuring_read(struct measure **out, const char *const *paths, size_t n_paths, const struct report_options *options,
    struct err *err);

#endif
