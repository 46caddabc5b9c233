/* The gate as the command line tells it: its options, thresholds and outputs. Enters: the words after `gate`, recordings.
 * Leaves: a report in as many forms as are asked for, and the verdict as exit status; docs/metrics.md tells the rules.
 * Called by cmd_gate, and by cmd_drive for what it recorded. threads: one. */
#ifndef GATE_COMMAND_H
#define GATE_COMMAND_H

#include "core/gate_config.h"
#include "report.h"

struct gate_command;

/* Understand the options, read tidemark.toml and the baseline.
 * out:     to be freed in any case
 * argv:    options are taken out as by option_parse; must outlive *out
 * returns: how many operands are left; OPTION_HELP_SHOWN
 * errors:  USAGE, SYSTEM, MEMORY */
int gate_command_new(struct gate_command **out, int argc, char **argv, struct err *err);
void gate_command_free(struct gate_command *command);

/* Whether there is anything to judge by. */
bool gate_command_judges(const struct gate_command *command);

const struct gate_config *gate_command_config(const struct gate_command *command);
const struct report_options *gate_command_report(const struct gate_command *command);
/* returns: NULL when there is none */
const struct baseline *gate_command_baseline(const struct gate_command *command);

/* Say what the recordings do not cover, in one sentence, which must outlive the command: there is no pass then. */
void gate_command_missing(struct gate_command *command, const char *what);

/* Judge recordings, and write all outputs. returns: the exit status, of enum cmd_status
 * errors: USAGE when there is nothing to judge by, those of measure_read, SYSTEM for outputs */
int gate_command_run(struct gate_command *command, char *const *paths, size_t n, struct err *err);

#endif
