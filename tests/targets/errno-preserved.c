/* No hook changes errno where libc's own function leaves it alone.
 *
 * expect: total allocations 1+2000*5+1 leaked_blocks 1 leaked_bytes 24
 */
#include "testing.h"

#include <malloc.h>

static NOINLINE void churn(void)
{
	for (int i = 0; i < 2000; i++) {
		errno = 4242;
		char *p = keep(malloc(32));
		check(errno == 4242);
		p = keep(realloc(p, 64));
		check(errno == 4242);
		char *q = keep(calloc(3, 5));
		check(errno == 4242);
		void *r = NULL;
		check(posix_memalign(&r, 32, 48) == 0 && errno == 4242);
		void *s = keep(memalign(64, 10));
		check(errno == 4242);
		free(p);
		free(q);
		free(r);
		free(s);
		free(NULL);
		check(errno == 4242);
	}
}

int main(void)
{
	void *first = keep(malloc(8));
	churn();
	free(first);
	check(keep(malloc(24)));
	say("done\n");
	return 0;
}
