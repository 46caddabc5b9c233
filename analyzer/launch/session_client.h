/* A recording session seen from the command: start its collector, talk to it, find it from outside.
 * The messages are those of tidemark/session.h. threads: the owner's. */
#ifndef SESSION_CLIENT_H
#define SESSION_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "tidemark/session.h"

#define SESSION_NAME_BYTES 64

struct session_options {
	const char *collector;    /* path of tidemark-collector */
	const char *output;       /* template; relative ones are the collector's to resolve */
	bool named;               /* output is one file that the user named */
	uint64_t rss_interval_ms; /* 0: the collector's default */
};

struct session {
	char name[SESSION_NAME_BYTES]; /* of the socket; the value of TIDEMARK_SESSION */
	int connection;                /* close-on-exec, never 0..2 */
	pid_t collector;
};

/* Start a collector and connect to it; it may still be starting when this returns, messages queue until then.
 * errors: SYSTEM; nothing is left running then
 * cost:   about a millisecond, until the collector's exec succeeded */
int session_start(struct session *session, const struct session_options *options, struct err *err);

/* Close the connection: the collector ends when its last process has. */
void session_release(struct session *session);

/* Connect to the socket `name`, whose owner must be this user or root (any user when we are root).
 * returns: a close-on-exec descriptor, or an error (SYSTEM, NOT_FOUND when nobody listens) */
int session_connect(const char *name, struct err *err);

/* text may be NULL; it is cut at the message's room. errors: SYSTEM */
int session_send(int connection, const struct tidemark_message *message, struct err *err);

/* Wait for one message. returns: 1, 0 when the collector closed the connection
 * errors: SYSTEM, CORRUPT */
int session_receive(int connection, struct tidemark_message *message, struct err *err);

/* How the collector ended, for people: "it was killed by signal 9"; "it is gone" when unknown. */
const char *session_fate(const struct session *session, char text[64]);

/* The names of all sessions of this network namespace, as seen in /proc/net/unix.
 * each: returns true to end the search. returns: whether one did */
bool session_each(bool (*each)(void *arg, const char *name), void *arg);

#endif
