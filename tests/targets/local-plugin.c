/* A C host, without libstdc++ of its own, opens a C++ plug-in with RTLD_LOCAL: RTLD_NEXT finds no operator new then.
 * The plug-in news, deletes and throws; everything is counted, and the host's behaviour is its own. One block more may stay:
 * the thread-local variables of libstdc++, which libc allocates at the first throw.
 *
 * expect: site plugin_leak allocations 10 leaked_blocks 10 leaked_bytes 10*33
 * expect: site plugin_work allocations >=1000 leaked_blocks 11
 * expect: site plugin_arrays allocations 50 bytes 50*120 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <dlfcn.h>

int main(void)
{
	void *plugin = dlopen("libcxx-plugin.so", RTLD_NOW | RTLD_LOCAL);
	if (!plugin)
		say("%s\n", dlerror());
	check(plugin);
	int (*work)(void);
	*(void **)&work = dlsym(plugin, "plugin_work");
	check(work);
	for (int i = 0; i < 10; i++)
		say("plugin %d\n", work());
	check(dlclose(plugin) == 0);
	return 0;
}
