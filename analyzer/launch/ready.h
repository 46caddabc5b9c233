/* Is a server ready? Every condition that was given must hold. threads: the owner's, with all signals blocked. */
#ifndef READY_H
#define READY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "launch/server.h"

struct ready_options {
	const char *command; /* succeeds; tried again and again */
	const char *port;    /* "PORT" or "HOST:PORT": somebody listens there */
	const char *line;    /* a line of the server's output holds this; server->wanted */
};

struct ready {
	const struct ready_options *options;
	const sigset_t *mask;
	pid_t pid; /* the command that runs now; 0: none */
	bool tried, command_held;
	int status; /* of its last try */
};

/* Check that the port is free, so that another server is not taken for ours. errors: USAGE */
int ready_prepare(const struct ready_options *options, struct err *err);

/* Look once. returns: 1 ready, 0 not yet. errors: SYSTEM, when the command cannot be started */
int ready_look(struct ready *ready, const struct server *server, struct err *err);

/* Was this the ready command? Then its end is noted. */
bool ready_reaped(struct ready *ready, pid_t pid, int status);

/* What is missing, for people: "nothing listens on port 8080". returns: text */
#define READY_TEXT_BYTES 256
const char *ready_missing(const struct ready *ready, const struct server *server, char text[READY_TEXT_BYTES]);

/* Kill the command if it runs. */
void ready_release(struct ready *ready);

#endif
