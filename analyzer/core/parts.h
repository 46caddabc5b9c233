/* RSS taken apart: which of its bytes are live heap, and what the rest is. Measured and computed parts are told apart
 * in docs/metrics.md. threads: any. */
#ifndef PARTS_H
#define PARTS_H

#include <stdint.h>

#include "core/profile.h"

/* rss_bytes = heap_bytes + retained_bytes + file_bytes + tidemark_bytes + residual_bytes, always. */
struct rss_parts {
	uint64_t rss_bytes;  /* measured; 0: no sample yet */
	uint64_t heap_bytes; /* recorded: live blocks, as requested */
	uint64_t
	    retained_bytes;  /* computed: anonymous memory beyond the live heap: kept by the allocator, stacks, data */
	uint64_t file_bytes; /* measured: resident pages of files and shared memory, without Tidemark's */
	uint64_t tidemark_bytes; /* measured: the shim's memory */
	int64_t residual_bytes;  /* what the parts do not explain; negative: live heap that is not resident */
};

struct rss_parts rss_parts(const struct profile_point *point);

#endif
