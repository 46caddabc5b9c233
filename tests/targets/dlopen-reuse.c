/* Two libraries of one layout, opened and closed in turn at the same address: each block is blamed on the library that
 * allocated it, though the return addresses are equal.
 *
 * case: some 25
 * expect: leaf plug_a_allocate allocations 25*10 leaked_blocks 25 leaked_bytes 25*100
 * expect: leaf plug_b_allocate allocations 25*10 leaked_blocks 25 leaked_bytes 25*200
 * expect: never plug_a_allocate plug_b_allocate
 * expect: module libplug-a.so allocations 25*10 leaked_bytes 25*100
 * expect: module libplug-b.so allocations 25*10 leaked_bytes 25*200
 * expect: total lost_events 0 unknown_frees 0 broken_stacks 0
 *
 * case: many 3000
 * expect: leaf plug_a_allocate allocations 3000*10 leaked_blocks 3000 leaked_bytes 3000*100
 * expect: leaf plug_b_allocate allocations 3000*10 leaked_blocks 3000 leaked_bytes 3000*200
 * expect: never plug_a_allocate plug_b_allocate
 * expect: total lost_events 0 unknown_frees 0 broken_stacks 0
 */
#include "testing.h"

#include <dlfcn.h>

static void *open_and_call(const char *library, const char *function, void **address)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		say("%s\n", dlerror());
	check(handle);
	void (*call)(void);
	*(void **)&call = *address = dlsym(handle, function);
	check(call);
	call();
	return handle;
}

int main(int argc, char **argv)
{
	int reused = 0;
	check(argc == 2);
	for (int i = 0; i < atoi(argv[1]); i++) {
		void *a, *b;
		check(dlclose(open_and_call("libplug-a.so", "plug_a_allocate", &a)) == 0);
		check(dlclose(open_and_call("libplug-b.so", "plug_b_allocate", &b)) == 0);
		reused += a == b;
	}
	say("addresses reused %d\n", reused);
	return reused ? 0 : SKIPPED;
}
