/* Marks and operations from the program, by the header and by dlsym: named instants at their exact place among the events,
 * and a difference between two of them.
 *
 * expect: marks start middle middle end
 * expect: operations request 5 nested 5 across 1
 * expect: mark start live_blocks 1 heap_bytes 10
 * expect: mark middle live_blocks 4 heap_bytes 10+60
 * expect: mark end live_blocks 4+3 heap_bytes 10+60+90
 * expect: jq diff --from start --to end '.change.leaked_bytes == 150 and .change.leaked_blocks == 6'
 * expect: leaf work allocations 3 leaked_blocks 3
 * expect: total lost_events 0
 */
#include "testing.h"

#include <pthread.h>

#include "tidemark.h"

static uint64_t across;

static NOINLINE void work(void)
{
	for (int i = 0; i < 3; i++)
		check(keep(malloc(20)));
}

static NOINLINE void other_work(void)
{
	for (int i = 0; i < 3; i++)
		check(keep(malloc(30)));
}

static void request(void)
{
	tidemark_op_begin("request");
	tidemark_op_begin("nested");
	free(keep(malloc(1)));
	tidemark_op_end();
	tidemark_op_end();
}

static void *finish(void *arg)
{
	tidemark_op_finish(across);
	return arg;
}

int main(void)
{
	pthread_t thread;
	void (*mark)(const char *);
	*(void **)&mark = dlsym(RTLD_DEFAULT, "tidemark_mark");
	check(keep(malloc(10)));
	tidemark_mark("start");
	work();
	if (mark)
		mark("middle");
	tidemark_mark("middle");
	other_work();
	tidemark_mark("end");
	for (int i = 0; i < 5; i++)
		request();
	across = tidemark_op_start("across");
	check(pthread_create(&thread, NULL, finish, NULL) == 0);
	check(pthread_join(thread, NULL) == 0);
	tidemark_op_finish(across);
	tidemark_op_end();
	say("done\n");
	return 0;
}
