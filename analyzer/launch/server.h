/* The server that `tidemark drive` runs: started under recording, its output passed on and watched for a line.
 * threads: the owner's. */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "launch/child.h"
#include "launch/recording.h"

struct server {
	pid_t pid;
	bool ended;
	int status;         /* wait status, when it has ended */
	int output;         /* what it prints on stdout and stderr comes out here, not blocking; -1: closed */
	int log;            /* and goes there */
	const char *wanted; /* text of the line that is waited for; NULL: none */
	bool line_seen;
	char line[4096]; /* what came of the current line; only its start when it is longer */
	size_t n_line;
};

struct server_options {
	const char *path; /* the file to run */
	char *const *argv;
	int log; /* where its output goes */
	const char *wanted;
	const sigset_t *mask;
	const struct sigaction *sigchld; /* see child.h */
	const struct recording *recording;
	const struct recording_options *recording_options;
};

/* Start it, recorded. errors: SYSTEM */
int server_start(struct server *server, const struct server_options *options, struct err *err);

/* Take what it printed and pass it on. Call it when `output` is readable. */
void server_forward(struct server *server);

void server_release(struct server *server);

#endif
