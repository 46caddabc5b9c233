/* A child process of `tidemark drive`: in a process group of its own, so that what the terminal sends reaches us alone and
 * the whole group can be killed; it dies with us, whatever ends us. threads: the owner's, with all signals blocked. */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct child_options {
	const char *path; /* the file to run */
	char *const *argv;
	int in, out, err; /* its descriptors 0, 1, 2; -1: /dev/null */
	const sigset_t *mask;
	const struct sigaction *sigchld; /* its disposition; NULL: ours */
	int (*prepare)(
	    void *arg, pid_t self); /* runs in the child before the exec; NULL: nothing. returns: 0, or -1 with errno */
	void *arg;
};

/* Start it. returns: its pid
 * errors: SYSTEM; when the exec failed too, with its reason. The child is reaped then */
pid_t child_start(const struct child_options *options, struct err *err);

/* Start `sh -c COMMAND sh FIRST SECOND`: the command finds the numbers as $1 and $2. */
pid_t child_start_shell(const char *command, unsigned long first, unsigned long second,
    const struct child_options *options, struct err *err);

/* Send a signal to the child's whole group, and to itself should it have left that. */
void child_kill(pid_t pid, int number);

/* "ended with status 3" or "was killed by signal 11 (Segmentation fault)". returns: text */
#define CHILD_FATE_BYTES 80
const char *child_fate(char text[CHILD_FATE_BYTES], int status);

/* The children that this process has, but those in `known`: orphans that it adopted.
 * returns: how many were put into pids, at most n */
size_t child_adopted(pid_t *pids, size_t n, const pid_t *known, size_t n_known);

/* A pipe whose ends close on exec. errors: SYSTEM */
int child_pipe(int ends[2], struct err *err);

#endif
