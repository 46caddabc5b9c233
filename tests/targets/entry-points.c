/* Every entry point of libc's allocator, each with its own number of calls, sizes and leaks.
 *
 * expect: api malloc allocations 3 bytes 10+20+30
 * expect: api calloc allocations 2 bytes 4*8+1*100
 * expect: api realloc allocations 2 bytes 200+50
 * expect: api reallocarray allocations 2 bytes 5*7+10*7
 * expect: api posix_memalign allocations 3 bytes 100+200+300
 * expect: api aligned_alloc allocations 1 bytes 128
 * expect: api memalign allocations 2 bytes 33+34
 * expect: api valloc allocations 1 bytes 5
 * expect: api pvalloc allocations 1 bytes 6
 * expect: total allocations 17 frees 11 allocated_bytes 60+132+250+105+600+128+67+5+6
 * expect: total leaked_blocks 6 leaked_bytes 30+100+10*7+300+34+6
 * expect: leaf use_malloc allocations 3 leaked_blocks 1 leaked_bytes 30
 * expect: leaf use_calloc allocations 2 leaked_blocks 1 leaked_bytes 100
 * expect: leaf use_realloc allocations 4 leaked_blocks 1 leaked_bytes 70
 * expect: leaf use_aligned allocations 6 leaked_blocks 2 leaked_bytes 334
 * expect: leaf use_pages allocations 2 leaked_blocks 1 leaked_bytes 6
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <malloc.h>

static NOINLINE void use_malloc(void)
{
	void *a = keep(malloc(10)), *b = keep(malloc(20)), *c = keep(malloc(30));
	check(a && b && c && malloc_usable_size(c) >= 30);
	free(b);
	free(a);
}

static NOINLINE void use_calloc(void)
{
	char *a = keep(calloc(4, 8)), *b = keep(calloc(1, 100));
	for (int i = 0; i < 32; i++)
		check(a[i] == 0);
	for (int i = 0; i < 100; i++)
		check(b[i] == 0);
	free(a);
}

static NOINLINE void use_realloc(void)
{
	char *a = keep(realloc(NULL, 200));
	a = keep(realloc(a, 50));
	free(a);
	char *b = keep(reallocarray(NULL, 5, 7));
	memset(b, 'x', 35);
	b = keep(reallocarray(b, 10, 7));
	check(b[0] == 'x' && b[34] == 'x');
}

static NOINLINE void use_aligned(void)
{
	void *a = NULL, *b = NULL, *c = NULL;
	check(posix_memalign(&a, 64, 100) == 0 && (uintptr_t)a % 64 == 0);
	check(posix_memalign(&b, 4096, 200) == 0 && (uintptr_t)b % 4096 == 0);
	check(posix_memalign(&c, 8, 300) == 0);
	free(keep(a));
	free(keep(b));
	void *d = keep(aligned_alloc(32, 128)), *e = keep(memalign(1024, 33)), *f = keep(memalign(16, 34));
	check((uintptr_t)d % 32 == 0 && (uintptr_t)e % 1024 == 0 && f);
	free(d);
	free(e);
}

static NOINLINE void use_pages(void)
{
	void *a = keep(valloc(5)), *b = keep(pvalloc(6));
	check((uintptr_t)a % 4096 == 0 && (uintptr_t)b % 4096 == 0 && malloc_usable_size(b) >= 4096);
	free(a);
	free(NULL);
}

int main(void)
{
	use_malloc();
	use_calloc();
	use_realloc();
	use_aligned();
	use_pages();
	say("done\n");
	return 0;
}
