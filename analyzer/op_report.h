/* The operations of a session as reports need them: read, with names for frames, suppressions applied. Called by cmd_ops
 * and live_verdict.c. threads: one. */
#ifndef OP_REPORT_H
#define OP_REPORT_H

#include "core/operations.h"
#include "launch/session_files.h"
#include "report.h"

struct op_report_file {
	struct profile rows;   /* every node, so that `stacks` has all frames */
	struct stacks *stacks; /* made when the first frame is asked for */
};

struct op_report {
	const struct report_options *options;
	bool live, by_thread;
	struct operations *operations;
	struct op_report_file *files; /* as operations->traces */
	size_t n_files;
	struct resolver *resolver;
	struct suppressions suppressions;
	struct session_files others; /* of the session, not given; none while the files are being written */
	bool failed;
	struct err failure; /* inside a callback */
	const struct frame_view **frames;
	size_t frames_capacity;
};

/* Read the files of one session; waits for their writer and shows progress. errors: those of operations_read */
int op_report_open(struct op_report *report, const char *const *paths, size_t n_paths,
    const struct report_options *options, struct err *err);
/* The same while the files are being written: as far as they go. */
int op_report_open_live(struct op_report *report, const char *const *paths, size_t n_paths,
    const struct report_options *options, struct err *err);
void op_report_close(struct op_report *report);

/* The frames of a stack, innermost first; valid until the next call. returns: how many */
size_t op_report_frames(struct op_report *report, const struct op_stack *stack, const struct frame_view ***frames);

/* The suppression that hides these frames. returns: NULL when none does */
const struct suppression *op_report_suppression(
    const struct op_report *report, const struct frame_view *const *frames, size_t n_frames);

/* What is wrong with the recordings or with the operations in them, most serious first. */
void op_report_warn(const struct op_report *report, struct report_warnings *warnings);

#endif
