/* A recording as seen by the command that starts it: where the trace goes, the session, the environment that brings the
 * library into a program, and what the collector tells until the trace stands. threads: the owner's. */
#ifndef RECORDING_H
#define RECORDING_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "launch/session_client.h"

struct recording_options {
	const char *output;              /* template: %p pid, %e program */
	uint64_t depth, rss_interval_ms; /* 0: as the environment or the default says */
	bool no_children, maps;
};

struct recording {
	struct session session;
	char preload[PATH_MAX]; /* the library's name for LD_PRELOAD */
	bool done;              /* the collector has told all that follows */
	uint64_t bits;          /* enum tidemark_done */
	char reason[1024];      /* DONE's text, for people */
	char trace[1024];       /* absolute path of the root process's last image */
	unsigned n_earlier;     /* files of its earlier images */
};

/* The template to use: what the user named, else the environment's, else the default. returns: never NULL */
const char *recording_output(const char *named);

/* Can files be made where the template points? Folders named with %e are left to the collector. errno says why not. */
bool recording_output_writable(const char *template);

/* Start the session's collector. errors: SYSTEM, NOT_FOUND; nothing is left running then */
int recording_start(struct recording *recording, const struct recording_options *options, struct err *err);

/* Set this process's environment so that what it execs is recorded. errors: SYSTEM */
int recording_environment(const struct recording *recording, const struct recording_options *options, struct err *err);

/* Tell the collector which process is the root, before that execs, and with which wait status it ended. A collector that
 * is gone is noticed when its answer is waited for. */
void recording_root(const struct recording *recording, pid_t pid);
void recording_ended(const struct recording *recording, pid_t pid, int status);

/* Wait for the collector's next message and take it in.
 * progress: its text when it is one for the user, else NULL; valid until the next call
 * returns:  1, 0 when no more will come */
int recording_receive(struct recording *recording, const char **progress);

#endif
