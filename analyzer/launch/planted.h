/* A tiny program of known leak, inside this command: `tidemark selftest` runs itself again as it and records that, so that
 * a machine without a compiler can be tested. threads: one. */
#ifndef PLANTED_H
#define PLANTED_H

#include <stdint.h>

#define PLANTED_OPERATION "selftest"
#define PLANTED_OPS 4000 /* enough for a verdict by statistics; docs/metrics.md */

/* Perform the operations, each leaving leak_bytes behind for good; 0: none. Each uses buffers and a cache as well, which
 * leave nothing. returns: the exit status */
int planted_run(uint64_t leak_bytes);

#endif
