/* Which blocks are the C runtime's own: stdio buffers, locale data, the loader's tables, thread control blocks, caches
 * of the name service. They stay alive by design and are nobody's leak. docs/metrics.md tells the rules to users.
 * threads: any. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

#include "core/stacks.h"

/* Find the name of the libc function that a frame's call instruction names, when the called function itself has no name
 * (stripped, reached by a tail call). view: the caller, outside libc.
 * returns: a name valid until the next call; NULL when it cannot be told */
typedef const char *runtime_callee(void *arg, const struct frame_view *view);

/* Whether the block that this stack allocated is the runtime's own.
 * frames: innermost first
 * callee: may be NULL */
bool runtime_owns(const struct frame_view *const *frames, size_t n_frames, runtime_callee *callee, void *callee_arg);

/* Whether the public libc function `name` hands a block to its caller that the caller is to free. Decorations that libc
 * gives its internal names are ignored: __GI_, _IO_, leading underscores, _internal, _chk, 64... */
bool runtime_hands_over(const char *name);

#endif
