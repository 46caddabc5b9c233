/* Frames of every shape below an allocation: alloca, variable arrays, realigned stacks, clobbered rbp, tail calls, and a
 * callback through qsort: each caller stands in the stack.
 *
 * expect: leaf zoo_leaf allocations 50*6
 * expect: site with_alloca allocations 50
 * expect: site with_alignment allocations 50
 * expect: site with_clobbered_rbp allocations 50
 * expect: site before_tail allocations 50
 * expect: site by_qsort allocations 50
 * expect: site with_large_frame allocations 50
 * expect: site main allocations 300
 * expect: total broken_stacks 0 lost_events 0
 */
#include "testing.h"

static NOINLINE int zoo_leaf(void)
{
	free(keep(malloc(8)));
	return 1;
}

static NOINLINE int with_alloca(size_t n)
{
	char *p = keep((char *)__builtin_alloca(n));
	memset(p, 1, n);
	return zoo_leaf() + p[n - 1];
}

static NOINLINE int with_alignment(void)
{
	_Alignas(128) volatile char room[300];
	check((uintptr_t)room % 128 == 0);
	room[0] = 1;
	return zoo_leaf() + room[0];
}

static NOINLINE int with_clobbered_rbp(void)
{
	int n;
	__asm__ volatile("" : : : "rbx", "r12", "r13", "r14", "r15");
#ifdef __x86_64__
	__asm__ volatile("" : : : "rbp");
#endif
	n = zoo_leaf();
	__asm__ volatile("" : "+r"(n) : : "rbx", "r12", "r13", "r14", "r15");
	return n;
}

static NOINLINE int after_tail(void)
{
	return zoo_leaf() + 1;
}

static NOINLINE int before_tail(void)
{
	return after_tail() + 1;
}

static int compare(const void *a, const void *b)
{
	static int calls;
	if (calls++ % 3 == 0)
		zoo_leaf();
	return *(const int *)a - *(const int *)b;
}

static NOINLINE int by_qsort(void)
{
	int numbers[2] = {2, 1};
	qsort(numbers, 2, sizeof(int), compare);
	return numbers[0];
}

static NOINLINE int with_large_frame(void)
{
	volatile char room[100000];
	room[0] = room[sizeof(room) - 1] = 1;
	return zoo_leaf() + room[0];
}

int main(void)
{
	int sum = 0;
	for (int i = 0; i < 50; i++) {
		sum += with_alloca((size_t)i * 30 + 1) + with_alignment() + with_clobbered_rbp() + before_tail();
		sum += with_large_frame();
	}
	for (int i = 0; i < 150; i++) /* one comparison each; every third allocates */
		sum += by_qsort();
	say("sum %d\n", sum);
	return 0;
}
