/* Run a program as if nobody stood between it and its caller: same process group, terminal, signal mask and
 * dispositions; our stops follow its stops; signals sent to us reach it; its end becomes ours.
 * threads: one run a process, from the main thread. */
#ifndef RUN_H
#define RUN_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "launch/witness.h"

struct run {
	pid_t pid;
	int gate;          /* the child waits until this pipe's end says go */
	int exec_result;   /* the child's errno comes out here when its exec failed */
	int signals;       /* signalfd of all signals, which are blocked from run_prepare() on */
	sigset_t old_mask; /* as inherited; the child's again before it execs */
	struct sigaction old_sigchld;
	struct witness witness;
	pid_t waker; /* the last process that watched over a stop */
};

/* Block the signals, so that none is lost from here on. errors: SYSTEM */
int run_prepare(struct run *run, struct err *err);

/* Fork the child; it has its pid but does nothing yet. Call run_go() or end this process. errors: SYSTEM */
int run_fork(struct run *run, const char *path, char *const *argv, struct err *err);

/* Let the child exec, with the environment that this process had when it forked.
 * returns: 0, or the errno of the exec; the child is reaped then */
int run_go(struct run *run);

/* Wait for the end, and meanwhile pass on signals and mirror stops. returns: the wait status */
int run_wait(struct run *run);

/* A signal that asks to end (INT, TERM, HUP or QUIT) came since the last call. For poll(): run->signals. */
bool run_interrupted(struct run *run);

/* End this process with the exit status of a wait status, or by the same signal, without dumping core. */
_Noreturn void run_end_as(int status);

#endif
