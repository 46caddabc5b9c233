/* Which file a command runs, and whether it can be recorded by preloading. Looks at files only; nothing is started.
 * threads: one. */
#ifndef TARGET_H
#define TARGET_H

#include <limits.h>

#include "base/err.h"

enum target_verdict {
	TARGET_OK = 0,
	TARGET_UNTRACEABLE = 125, /* the exit status that record ends with */
	TARGET_NOT_EXECUTABLE = 126,
	TARGET_NOT_FOUND = 127,
};

/* Find the file that execvp(name) would run: by PATH when the name has no slash.
 * path: where it is put
 * returns: OK, NOT_EXECUTABLE or NOT_FOUND with err filled */
enum target_verdict target_find(const char *name, char path[PATH_MAX], struct err *err);

/* Would the loader preload a library into this file, and would the library see its allocations? Scripts are followed to
 * their interpreter, and through `env` to the program that it starts. What cannot be read is taken to be fine.
 * name: the program as the user wrote it, for err
 * returns: any verdict; err says why and what can be done
 * cost:    the symbol tables of the program are read once */
enum target_verdict target_check(const char *name, const char *path, struct err *err);

#endif
