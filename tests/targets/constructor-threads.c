/* dlopen of a library whose constructor starts a thread that allocates, and waits for it, while the loader's lock is held;
 * and a library whose constructor and destructor allocate.
 *
 * expect: leaf thread_of_constructor allocations 10*100 leaked_blocks 10 leaked_bytes 10*44
 * expect: leaf library_constructor allocations 10*2 leaked_blocks 10 leaked_bytes 10*55
 * expect: leaf library_destructor allocations 10 leaked_blocks 10 leaked_bytes 10*66
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <dlfcn.h>

int main(void)
{
	for (int i = 0; i < 10; i++) {
		void *handle = dlopen("libthreading.so", RTLD_NOW), *other = dlopen("libconstructor.so", RTLD_NOW);
		if (!handle || !other)
			say("%s\n", dlerror());
		check(handle && other);
		check(dlclose(other) == 0 && dlclose(handle) == 0);
	}
	say("done\n");
	return 0;
}
