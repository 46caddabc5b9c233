/* Ask git. threads: one at a time. */
#ifndef GIT_H
#define GIT_H

#include <stdbool.h>

#include "base/err.h"

/* Run `git ARGUMENT...` with its errors hidden.
 * arguments: NULL at the end, without "git" itself; at most 30
 * out:       what it printed, without the last newline; the caller frees it. NULL: nobody wants it
 * returns:   its exit status; 127 when there is no git
 * errors:    SYSTEM, MEMORY */
int git_ask(const char *const *arguments, char **out, struct err *err);

#endif
