/* Clients that perform operations on a server: a command for each operation, or one long-lived helper for each client.
 * threads: the owner's, with all signals blocked. */
#ifndef LOAD_H
#define LOAD_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "launch/child.h"

struct load_options {
	const char *command; /* run by the shell for each operation: $1 its number, $2 the client's; or */
	const char
	    *helper; /* run once for each client; reads an operation's number a line, answers with a line when done */
	uint64_t n_clients;
	uint64_t timeout_ns; /* of an operation */
	const sigset_t *mask;
};

struct client {
	pid_t pid;    /* the helper, or the command that runs; 0: none */
	int to, from; /* the helper's pipes; -1: none */
	bool busy;
	uint64_t operation; /* that it performs, or performed last; from 1 */
	uint64_t since_ns;
};

struct load {
	const struct load_options *options;
	struct client *clients;
	size_t n_busy;
	uint64_t n_begun, n_done; /* operations */
};

/* Start the helpers, if there are any. errors: SYSTEM, MEMORY; load_release() is due anyhow */
int load_start(struct load *load, const struct load_options *options, struct err *err);

/* Let the client that has been idle the longest begin the next operation. Call it while n_busy < n_clients. errors: SYSTEM */
int load_begin(struct load *load, struct err *err);

/* For poll(): n_clients entries; those without a helper have no descriptor. */
void load_poll(const struct load *load, struct pollfd *fds);

/* Client `i` has answered, or closed its end. errors: USAGE when it broke the protocol, SYSTEM */
int load_answered(struct load *load, size_t i, struct err *err);

/* A child ended: was it a client's?
 * returns: 1 yes, and all is well; 0 no. errors: NOT_FOUND: an operation failed, err says which and how */
int load_reaped(struct load *load, pid_t pid, int status, struct err *err);

/* When must somebody be done? returns: monotonic ns, UINT64_MAX when nobody is busy */
uint64_t load_deadline(const struct load *load);

/* Fill err: which operation took too long. */
int load_timed_out(const struct load *load, struct err *err);

/* End all clients: helpers see the end of their input first, what still runs after a moment is killed. */
void load_release(struct load *load);

#endif
