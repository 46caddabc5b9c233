/* Was a signal sent to our whole process group, or to us alone? The kernel does not tell the receiver. A witness, a
 * process of our group that blocks everything and takes nothing until we ask, does: what was sent to the group is pending
 * there too.
 * threads: the main thread, with all signals blocked. */
#ifndef WITNESS_H
#define WITNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct witness {
	pid_t pid;
	int socket;    /* -1: there is none; then nothing counts as sent to the group */
	uint64_t seen; /* bit N - 1: it got signal N, and nobody asked yet */
};

void witness_init(struct witness *witness);
void witness_release(struct witness *witness);

/* Did the witness get this signal as well? Each that it got is told once; equal ones that come within microseconds may
 * be told as one, as the kernel does. cost: 2 ms when it did not, for the kernel serves the members of a group one after
 * the other; 1 s and the witness's end when it does not answer */
bool witness_saw(struct witness *witness, int number);

#endif
