/* A library opened with RTLD_DEEPBIND, as PHP opens its extensions, finds libc's malloc and free before the preloaded ones.
 * Blocks that pass between it and the program are counted on both sides all the same, also after it was loaded once more.
 *
 * expect: leaf deep_make allocations 2*50 leaked_blocks 0
 * expect: site deep_copy allocations 2*4*50 leaked_blocks 0
 * expect: leaf handed_over allocations 2*50 leaked_blocks 0
 * expect: site deep_init leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0 program_blocks 0
 */
#include "testing.h"

#include <dlfcn.h>

static NOINLINE void *handed_over(void)
{
	return keep(malloc(33));
}

static void use(void)
{
	int (*init)(void);
	char *(*copy)(const char *text);
	void *(*make)(size_t n);
	void (*drop)(void *block);
	void *library = dlopen("libdeepbound.so", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	check(library);
	*(void **)&init = dlsym(library, "deep_init");
	*(void **)&copy = dlsym(library, "deep_copy");
	*(void **)&make = dlsym(library, "deep_make");
	*(void **)&drop = dlsym(library, "deep_drop");
	check(init && copy && make && drop && init());
	for (int i = 0; i < 50; i++) {
		free(copy("text"));
		free(make(44));
		drop(handed_over());
	}
	check(dlclose(library) == 0);
}

int main(void)
{
	use();
	use();
	return 0;
}
