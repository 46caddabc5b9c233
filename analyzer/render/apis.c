/* Entry points: see apis.h. */
#include "render/apis.h"

#include <stddef.h>

#include "tidemark/ring.h"

const char *api_name(unsigned api)
{
	static const char *const names[TIDEMARK_API_COUNT] = {
	    [TIDEMARK_API_MALLOC] = "malloc",
	    [TIDEMARK_API_CALLOC] = "calloc",
	    [TIDEMARK_API_REALLOC] = "realloc",
	    [TIDEMARK_API_REALLOCARRAY] = "reallocarray",
	    [TIDEMARK_API_POSIX_MEMALIGN] = "posix_memalign",
	    [TIDEMARK_API_ALIGNED_ALLOC] = "aligned_alloc",
	    [TIDEMARK_API_MEMALIGN] = "memalign",
	    [TIDEMARK_API_VALLOC] = "valloc",
	    [TIDEMARK_API_PVALLOC] = "pvalloc",
	    [TIDEMARK_API_NEW] = "operator new",
	    [TIDEMARK_API_NEW_ARRAY] = "operator new[]",
	    [TIDEMARK_API_MALLOCX] = "mallocx",
	    [TIDEMARK_API_RALLOCX] = "rallocx",
	    [TIDEMARK_API_POOL] = "pool",
	};
	return api < TIDEMARK_API_COUNT ? names[api] : NULL;
}
