/* How recorded processes end: exit, a signal, exec, giving up recording, or leaving without a trace. Every process ends
 * here at last, whatever the kernel lets us see of it. Drain thread only; nothing here waits. */
#ifndef ENDS_H
#define ENDS_H

#include "recorded.h"

/* Did the process end? Then its last words are drained, and once the way of its end is known, it is closed and freed.
 * To be called at each beat. returns: whether it was closed */
bool ends_look(struct process *process);

/* Its memory image is gone because the same pid runs another one: close and free it. is_followed: that one is recorded,
 * as far as is known */
void ends_by_exec(struct process *process, bool is_followed);

/* All processes of the image are closed. returns: true when no other process maps its memory: it can be freed */
bool ends_image(struct image *image);

/* The wait status of the session's root, as record tells it. returns: 1 known, 0 it will come, -1 nobody will tell.
 * Given by control.c. */
int control_root_status(pid_t pid, int *status);

#endif
