/* C++ objects with static, thread and function-local storage: made before main, at first use, destroyed after main.
 *
 * expect: site Holder::Holder allocations 3+20 bytes 3*100+20*100 leaked_blocks 0
 * expect: leaf Leaver::~Leaver allocations 1 leaked_blocks 1 leaked_bytes 7
 * expect: total lost_events 0 unknown_frees 0
 */
#include <pthread.h>

#include "testing.h"

struct Holder {
	char *block;
	NOINLINE Holder() : block(new char[100]) { memset(block, 1, 100); }
	NOINLINE ~Holder() { delete[] block; }
};

struct Leaver {
	NOINLINE ~Leaver() { check(keep(malloc(7))); }
};

static Leaver leaver;
static Holder first, second;
static thread_local Holder of_thread;

static NOINLINE char *local_object()
{
	static Holder local;
	return local.block;
}

static void *thread_main(void *arg)
{
	check(of_thread.block[99] == 1);
	return arg;
}

int main()
{
	check(first.block && second.block && local_object());
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		check(pthread_create(&thread, nullptr, thread_main, nullptr) == 0);
		check(pthread_join(thread, nullptr) == 0);
	}
	say("done\n");
	return 0;
}
