/* Drive a server under recording: start it, wait until it is ready, let clients perform operations on it, tell the
 * recording how many were done, stop the server, see the traces through to their end.
 * One after the other: drive_start, drive_perform (again and again), drive_stop, drive_release; after an error nothing but
 * drive_release. threads: one a process, the main thread; all signals are blocked from drive_start to drive_release. */
#ifndef DRIVE_H
#define DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "launch/load.h"
#include "launch/ready.h"
#include "launch/recording.h"
#include "launch/server.h"
#include "launch/session_files.h"
#include "launch/unrecorded.h"

struct drive_options {
	const char *path;    /* the server's file */
	char *const *argv;   /* and its words */
	const char *log;     /* file for its output; NULL: stderr */
	const char *name;    /* of the operations, for the marks */
	uint64_t batch_ops;  /* operations from mark to mark */
	uint64_t timeout_ns; /* to be ready, for an operation, to end */
	struct recording_options recording;
	struct ready_options ready;
	struct load_options load; /* mask and timeout_ns are filled in by drive_start */
	/* Tell the user something worth knowing. */
	void (*tell)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

struct drive {
	const struct drive_options *options;
	struct load_options load_options;
	struct recording recording;
	struct server server;
	struct ready ready;
	struct load load;
	uint64_t started_ns; /* CLOCK_REALTIME, before the server was */
	uint64_t marked;     /* operations that marks told of */
	uint64_t mark_ops, mark_since_ns;
	int marker;      /* connection for marks; -1: none */
	bool mark_waits; /* its answer has not come */
	int log, signals;
	int interrupted;          /* the number of the signal that asked us to end; 0: none */
	bool stopping, impatient; /* impatient: such a signal came while stopping */
	bool collector_ended;
	pid_t unrecorded; /* a process of the server's that the library was not loaded into; 0: none was found */
	char unrecorded_name[UNRECORDED_NAME_BYTES];
	sigset_t old_mask;
	struct sigaction old_sigchld;
	struct pollfd *fds; /* of drive_wait */
};

/* returns when the server is ready
 * errors: USAGE, SYSTEM, NOT_FOUND: it ended, or never was ready; err is a sentence for people in all cases */
int drive_start(struct drive *drive, const struct drive_options *options, struct err *err);

/* Perform operations until n were done in all since the start; the recording knows them when this returns.
 * errors: as above, and a client that fails */
int drive_perform(struct drive *drive, uint64_t n, struct progress *progress, struct err *err);

/* The session's files so far. errors: NOT_FOUND, MEMORY */
int drive_files(const struct drive *drive, struct session_files *files, struct err *err);

/* Wait up to `ms` while the server's output is passed on. errors: as above */
int drive_pause(struct drive *drive, unsigned ms, struct err *err);

/* Stop the clients and the server: by SIGTERM, and by SIGKILL when it does not heed that in time or a signal tells us not
 * to wait. The same for what it leaves behind. Then wait until the traces stand. errors: SYSTEM */
int drive_stop(struct drive *drive, struct err *err);

/* After an error, too: what still runs is ended, as drive_stop does it. */
void drive_release(struct drive *drive);

#endif
