/* Threads are told apart: each allocation is counted for its own thread, under the name that the program gave it, however
 * short its life is.
 *
 * expect: threads 3
 * expect: thread alpha allocations 10
 * expect: thread beta allocations 20
 * expect: total lost_events 0
 */
#include "testing.h"

#include <pthread.h>

struct job {
	const char *name;
	int n;
};

static NOINLINE void *run(void *arg)
{
	const struct job *job = arg;
	check(pthread_setname_np(pthread_self(), job->name) == 0);
	for (int i = 0; i < job->n; i++)
		check(keep(malloc(45)));
	return NULL;
}

int main(void)
{
	struct job jobs[2] = {{"alpha", 10}, {"beta", 20}};
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		check(pthread_create(&threads[i], NULL, run, &jobs[i]) == 0);
	for (int i = 0; i < 2; i++)
		check(pthread_join(threads[i], NULL) == 0);
	say("done\n");
	return 0;
}
