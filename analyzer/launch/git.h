/* Ask git, and let it do things. threads: one at a time. */
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

/* Run it with our standard input, output and errors. returns, errors: as above */
int git_do(const char *const *arguments, struct err *err);

#endif
