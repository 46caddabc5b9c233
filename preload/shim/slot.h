/* Which process this is: its slot in the shared memory, claimed at the start of an image or by the first event after a
 * fork. Called by start.c, and by thread.c on the thread that finds the wiped memory. */
#ifndef SLOT_H
#define SLOT_H

#include <stdbool.h>
#include <stdint.h>

/* Fill in slot 0 for the image that starts; forked children are recorded too when `children` is set.
 * exe and cmdline are offsets of strings. Constructor only. returns: false without memory */
bool slot_init(bool children, uint32_t exe_string, uint32_t cmdline_string, uint32_t cmdline_bytes);

/* In a forked child: claim a slot of its own. Called once, with signals blocked.
 * returns: false when it is not to be, or cannot be, recorded */
bool slot_claim(void);

/* Did the fork go past libc, so that the kernel holds no robust list for this thread? True only until the claim ends.
 */
bool slot_is_raw(void);

/* Run by exit() after everything else, and by _exit(): tell the status, and as PID 1 wait for the collector to finish. */
void slot_exits(int status, void *unused);

#endif
