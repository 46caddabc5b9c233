/* Processes of a tree that escaped the recording: whose program was started without the library. threads: any. */
#ifndef UNRECORDED_H
#define UNRECORDED_H

#include <sys/types.h>

/* Find one among `root` and its descendants.
 * name:    of its program, cut at 15 bytes
 * returns: its pid, 0 when there is none; processes that may not be looked at do not count
 * cost:    a look at every process of the machine, and 100 ms when one was found: it may have been about to load the
 *          library, and is looked at again */
#define UNRECORDED_NAME_BYTES 16
pid_t unrecorded_find(pid_t root, char name[UNRECORDED_NAME_BYTES]);

#endif
