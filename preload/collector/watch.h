/* Who is there: new processes and rings of an image, threads that ended, exec, death. Drain thread only; nothing here
 * waits. */
#ifndef WATCH_H
#define WATCH_H

#include "recorded.h"

/* Take in new processes, rings and module records of an image. cost: a few loads when there is nothing new */
void watch_arrivals(struct image *image);

/* The owner of a ring died: hand it to the next one once it is drained. To be called every few milliseconds. */
void watch_owners(struct image *image);

/* Did the process end, by exit, exec or because it gave up recording? Its last words are drained, and once the way of
 * its end is known, it is closed and freed. To be called every few milliseconds. returns: whether it was closed */
bool watch_end(struct process *process);

/* Its memory image is gone because the same pid runs another one. */
void watch_exec(struct process *process);

/* Read the names of threads that did something since they were read last. To be called every second or so. */
void watch_names(struct process *process);

/* All processes of the image are closed. returns: true when no other process maps its memory: it can be freed */
bool watch_image_end(struct image *image);

/* Throw away what comes into rings of closed processes. returns: words */
uint64_t watch_orphans(struct image *image);

/* The wait status of the session's root, as record tells it. returns: 1 known, 0 it will come, -1 nobody will tell.
 * Given by control.c. */
int control_root_status(pid_t pid, int *status);

#endif
