/* A tiny program of known leak, inside this command: `tidemark selftest` runs itself again as it and records that, so that
 * a machine without a compiler can be tested. threads: one. */
#ifndef KNOWN_LEAK_H
#define KNOWN_LEAK_H

#include <stdint.h>

#define KNOWN_LEAK_OPERATION "selftest"
#define KNOWN_LEAK_OPS 4000 /* enough for a verdict by statistics; docs/metrics.md */

/* Perform the operations, each leaving leak_bytes behind for good; 0: none. Each uses buffers and a cache as well, which
 * leave nothing. returns: the exit status */
int known_leak_run(uint64_t leak_bytes);

#endif
