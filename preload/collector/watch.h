/* Who is there: new processes and rings of an image, threads that end, their names. Drain thread only; nothing here
 * waits. */
#ifndef WATCH_H
#define WATCH_H

#include "recorded.h"

/* Take in new processes, rings and module records of an image. cost: a few loads when there is nothing new */
void watch_arrivals(struct image *image);

/* Watch the death of a new process by its pidfd, if it has one. */
void watch_pidfd(struct process *process);

/* The owner of a ring died: hand it to the next one once it is drained. To be called every few milliseconds. */
void watch_owners(struct image *image);

/* Read the names of threads that are new or did something since theirs was read last. To be called at each beat. */
void watch_names(struct process *process);

/* The process is over: its rings are handed on, or throw away what still comes. */
void watch_release_rings(struct process *process);

/* Throw away what comes into rings of closed processes. returns: words */
uint64_t watch_orphans(struct image *image);

#endif
