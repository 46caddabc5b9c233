/* Where the installation's other parts lie: beside the command (build folder) or in ../lib/tidemark (installed).
 * threads: any. */
#ifndef PATHS_H
#define PATHS_H

#include <limits.h>

#include "base/err.h"

struct launch_paths {
	char library[PATH_MAX];   /* libtidemark.so */
	char collector[PATH_MAX]; /* tidemark-collector, in the same folder */
	char preload[PATH_MAX]; /* a name of the library that LD_PRELOAD can hold: without blanks, colons and dollars */
};

/* Find them from /proc/self/exe.
 * errors: NOT_FOUND when the installation is broken, SYSTEM when no usable name for LD_PRELOAD could be made */
int launch_paths_find(struct launch_paths *paths, struct err *err);

#endif
