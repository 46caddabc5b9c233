/* Say where a call stands: the return address of probe(), as an address in the ELF file. The comment block at the head of
 * each program tells what functions, files and lines that address must have: innermost inlined first,
 *   EXPECT label: function @tag < caller @tag
 * where @tag stands for the line that carries the same tag in a comment. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <link.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

static int probe_base(struct dl_phdr_info *info, size_t size, void *base)
{
	(void)size;
	*(unsigned long *)base = info->dlpi_addr;
	return 1; /* the first is the program itself */
}

__attribute__((noinline, used)) static void probe(const char *label)
{
	unsigned long base = 0;

	dl_iterate_phdr(probe_base, &base);
	printf("%s %lx\n", label, (unsigned long)__builtin_return_address(0) - base);
}

#ifdef __cplusplus
}
#endif

/* After a probe: what follows keeps the call from becoming a jump. */
#define STAY __asm__ volatile("" ::: "memory")
#define NEVER_INLINE __attribute__((noinline))
#define ALWAYS_INLINE __attribute__((always_inline)) inline
