/* Was a signal sent to our whole process group, or to us alone? The kernel does not tell the receiver. A witness, a
 * process of our group that blocks everything and does nothing, does: what was sent to the group is pending there too.
 * threads: the main thread, with all signals blocked. */
#ifndef WITNESS_H
#define WITNESS_H

#include <stdbool.h>
#include <sys/types.h>

struct witness {
	pid_t pid; /* 0 or less: there is none; then nothing counts as sent to the group */
};

void witness_init(struct witness *witness);
void witness_release(struct witness *witness);

/* Did the witness get this signal as well? What it got before is forgotten by the answer, and so may be another one
 * that comes in this instant. cost: 2 ms when it did not, for the kernel serves the members of a group one after the
 * other */
bool witness_saw(struct witness *witness, int number);

/* Forget what it got, after a signal that is known to have gone to the group. */
void witness_renew(struct witness *witness);

#endif
