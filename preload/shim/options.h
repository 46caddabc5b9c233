/* The environment variables: names, defaults and what they mean, once for the shim, its help and the manual page. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/ring.h"

/* X(field, name, default, help); the man page's section is made from these lines. */
#define OPTIONS(X)                                                                                                     \
	X(output, "TIDEMARK_OUTPUT", "tidemark.%e.%p.tmk",                                                             \
	    "where traces go: %p is the pid, %e the program, %% a percent sign")                                       \
	X(session, "TIDEMARK_SESSION", "",                                                                             \
	    "socket of the running recording; set by Tidemark for the processes it follows")                           \
	X(depth, "TIDEMARK_DEPTH", "256",                                                                              \
	    "frames kept of a stack, 4 to 4096; deeper ones keep their innermost and outermost frames")                \
	X(rss_interval, "TIDEMARK_RSS_INTERVAL", "10",                                                                 \
	    "milliseconds between samples of the resident size, 1 to 60000")                                           \
	X(children, "TIDEMARK_CHILDREN", "1", "0: record this process and what it execs, but no children")             \
	X(unwind, "TIDEMARK_UNWIND", "fast", "how stacks are found: fast, plain (no shortcuts) or libunwind")          \
	X(mmap, "TIDEMARK_MMAP", "0", "1: record mmap, munmap and mremap too")                                         \
	X(verbose, "TIDEMARK_VERBOSE", "0", "1: the preloaded library says on standard error what it does")

struct options {
	const char *output; /* NULL when the variable is not set */
	/* Up to a comma; what follows it is the output, when that is not set itself. NULL when not set */
	const char *session;
	uint32_t depth;
	uint32_t rss_interval_ms;
	enum tidemark_unwinder unwind;
	bool children;
	uint32_t children_of; /* with children off: the process whose images are recorded; 0: this one is the first */
	bool mmap;
	bool verbose;
	char **output_slot, **session_slot, **children_slot; /* the variables' places in envp, NULL when not set */
};

/* Read them from envp; values out of range count as the nearest in range, unreadable ones as the default. */
void options_read(struct options *options, char **envp);

#endif
