/* Assembly and JIT code may call with its stack aligned to 8 bytes only, which libc's allocator bears, and so must we.
 *
 * expect: api malloc allocations 2000 bytes 689000
 * expect: total allocations 6000 frees 5800 leaked_blocks 200 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#if defined(__x86_64__)
/* f(a, b) with rsp 8 below a multiple of 16 at the call, where the ABI wants a multiple. */
static NOINLINE void *call(void *f, uint64_t a, uint64_t b)
{
	void *result;
	__asm__ volatile("mov %%rsp, %%rbx\n"
			 "and $-16, %%rsp\n"
			 "sub $8, %%rsp\n"
			 "call *%1\n"
			 "mov %%rbx, %%rsp"
			 : "=a"(result)
			 : "r"(f), "D"(a), "S"(b)
			 : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}
#else
static NOINLINE void *call(void *(*f)(uint64_t, uint64_t), uint64_t a, uint64_t b)
{
	return f(a, b);
}
#endif

int main(void)
{
	for (uint64_t i = 0; i < 2000; i++) {
		void *block = call(malloc, 10 + i % 700, 0);
		block = call(realloc, (uintptr_t)block, 100 + i);
		void *other = call(calloc, 3, i + 1);
		call(free, (uintptr_t)block, 0);
		if (i % 10)
			call(free, (uintptr_t)other, 0);
	}
	say("done\n");
	return 0;
}
