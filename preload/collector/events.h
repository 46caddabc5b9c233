/* What wakes the drain thread besides the rings: sockets, dead processes, the writer. The helper thread waits in epoll
 * for it and wakes it; the helper also reads smaps_rollup, which may wait for locks of the process that is read. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "procfs.h"

enum event_kind {
	EVENT_LISTEN = 0, /* object: none */
	EVENT_CONNECTION, /* object: struct connection */
	EVENT_PIDFD,      /* object: the serial of a process, << 3 */
	EVENT_LINGER,     /* the events' own: a process that execed */
};

struct event {
	enum event_kind kind;
	void *object;
};

int events_init(void);
int events_start(void); /* the helper thread */

/* Watch fd for reading. object must stay until events_remove. returns: 0, -1 */
int events_add(int fd, enum event_kind kind, void *object);
void events_remove(int fd);

/* Keep the session open for a process that execed, until it is dead. pidfd: being watched; taken over.
 * returns: 0, -1 when it is still the caller's */
int events_linger(int pidfd, pid_t pid);

/* Processes that linger. */
uint32_t events_lingering(void);

/* Did pid linger? Then it does so no longer: its next image has come. */
bool events_linger_end(pid_t pid);

/* Drain thread: has the helper seen something? Then take up to max events without waiting. */
bool events_ready(void);
int events_take(struct event *events, int max);

/* A reading of smaps_rollup, asked for and answered through the helper. */
struct smaps_job {
	struct smaps_job *next;
	uint64_t serial; /* of the process */
	pid_t pid;
	bool ok;
	uint64_t ns; /* CLOCK_MONOTONIC when it was read */
	struct procfs_smaps smaps;
};
void events_ask_smaps(uint64_t serial, pid_t pid);
struct smaps_job *events_take_smaps(void); /* NULL: none; to be freed */

/* Wake the drain thread from any thread. */
void drain_wake(void);

/* The word it waits on; changes at every drain_wake. */
extern _Atomic uint32_t drain_wake_word;

#endif
