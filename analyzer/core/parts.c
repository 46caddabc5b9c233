/* RSS taken apart: see parts.h. */
#include "core/parts.h"

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct rss_parts rss_parts(const struct profile_point *point)
{
	struct rss_parts parts = {.rss_bytes = point->rss_bytes, .heap_bytes = point->heap_bytes};
	if (!parts.rss_bytes) {
		parts.residual_bytes = -(int64_t)parts.heap_bytes;
		return parts;
	}
	/* The shim's memory is almost all shared, so it is taken out of the shared part first. */
	uint64_t shared = smaller(point->shared_bytes, parts.rss_bytes);
	uint64_t anonymous = parts.rss_bytes - shared;
	uint64_t own_anonymous = smaller(less(point->tidemark_bytes, shared), anonymous);
	parts.tidemark_bytes = smaller(point->tidemark_bytes, shared) + own_anonymous;
	parts.file_bytes = less(shared, point->tidemark_bytes);
	parts.retained_bytes = less(anonymous - own_anonymous, parts.heap_bytes);
	parts.residual_bytes = (int64_t)(parts.rss_bytes - parts.heap_bytes - parts.retained_bytes - parts.file_bytes -
	                                 parts.tidemark_bytes);
	return parts;
}
