/* A library in a namespace of its own has an allocator of its own, which is not recorded; nothing breaks.
 *
 * expect: leaf work allocations 2 leaked_blocks 2
 * expect: total lost_events 0 unknown_frees 0 end exit:0
 */
#include "testing.h"

#include <dlfcn.h>

static NOINLINE void work(void)
{
	check(keep(malloc(43)) && keep(malloc(44)));
}

int main(void)
{
	void *handle = dlmopen(LM_ID_NEWLM, "libplug-a.so", RTLD_NOW);
	if (!handle)
		say("%s\n", dlerror());
	check(handle);
	void (*call)(void);
	*(void **)&call = dlsym(handle, "plug_a_allocate");
	check(call);
	call();
	work();
	say("done\n");
	return 0;
}
