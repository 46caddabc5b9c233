/* realloc in all its forms: grow, shrink, same, of NULL, to zero, failing, and reallocarray that overflows.
 * One that succeeds is one allocation and, when it had a block, one free; one that fails changes nothing.
 *
 * expect: leaf grow allocations 101 bytes sum(range(100,10101,100)) leaked_blocks 1 leaked_bytes 10100
 * expect: leaf shrink allocations 101 leaked_blocks 0
 * expect: leaf same allocations 51 leaked_blocks 1 leaked_bytes 64
 * expect: leaf of_null allocations 10 bytes 10*24 leaked_blocks 0
 * expect: leaf to_zero allocations 10 bytes 10*40 leaked_blocks 0
 * expect: leaf failing allocations 2 bytes 77+78 leaked_blocks 1 leaked_bytes 78
 * expect: leaf null_and_zero allocations 1 bytes 0 leaked_blocks 1 leaked_bytes 0
 * expect: leaf across_kinds allocations 4 bytes 1000+2000+200+100 leaked_blocks 0
 * expect: leaf big_moves allocations 4 bytes (1<<20)+(8<<20)+(64<<20)+(1<<10) leaked_blocks 0
 * expect: total allocations 101+101+51+10+10+2+1+4+4 leaked_blocks 4 lost_events 0 unknown_frees 0 implicit_frees 0
 * expect: total frees 101+101+51+10+10+2+1+4+4-4
 */
#include "testing.h"

#include <malloc.h>

static NOINLINE void grow(void)
{
	char *p = keep(malloc(100));
	memset(p, 'g', 100);
	for (size_t n = 200; n <= 10100; n += 100)
		p = keep(realloc(p, n));
	check(p[99] == 'g');
}

static NOINLINE void shrink(void)
{
	char *p = keep(malloc(10100));
	for (size_t n = 10000; n >= 100; n -= 100)
		p = keep(realloc(p, n));
	free(p);
}

static NOINLINE void same(void)
{
	char *p = keep(malloc(64));
	for (int i = 0; i < 50; i++)
		p = keep(realloc(p, 64));
}

static NOINLINE void of_null(void)
{
	for (int i = 0; i < 10; i++)
		free(keep(realloc(NULL, 24)));
}

static NOINLINE void to_zero(void)
{
	for (int i = 0; i < 10; i++) {
		void *p = keep(malloc(40));
		check(realloc(p, 0) == NULL);
	}
}

static NOINLINE void failing(void)
{
	char *p = keep(malloc(77));
	errno = 0;
	check(realloc(p, keep((size_t)PTRDIFF_MAX)) == NULL && errno == ENOMEM);
	check(realloc(p, keep(SIZE_MAX)) == NULL);
	errno = 0;
	check(reallocarray(p, keep(SIZE_MAX / 2), 4) == NULL && errno == ENOMEM);
	free(p);
	p = keep(malloc(78));
	check(realloc(p, keep((size_t)PTRDIFF_MAX)) == NULL);
	check(realloc(NULL, keep((size_t)PTRDIFF_MAX)) == NULL);
	memset(p, 'f', 78);
}

static NOINLINE void null_and_zero(void)
{
	check(keep(realloc(NULL, 0)) != NULL);
}

static NOINLINE void across_kinds(void)
{
	char *p = keep(calloc(10, 100));
	p = keep(realloc(p, 2000));
	void *q = NULL;
	check(posix_memalign(&q, 256, 200) == 0);
	q = keep(realloc(q, 100));
	free(q);
	free(p);
}

static NOINLINE void big_moves(void) /* beyond the mmap threshold: mremap inside */
{
	char *p = keep(malloc((size_t)1 << 20));
	p[5] = 'b';
	p = keep(realloc(p, (size_t)8 << 20));
	p = keep(realloc(p, (size_t)64 << 20));
	p = keep(realloc(p, (size_t)1 << 10));
	check(p[5] == 'b');
	free(p);
}

int main(void)
{
	grow();
	shrink();
	same();
	of_null();
	to_zero();
	failing();
	null_and_zero();
	across_kinds();
	big_moves();
	say("done\n");
	return 0;
}
