/* A program whose threads allocate all the time forks a thousand times; each child allocates and goes. No hang, no child
 * without its file, nothing lost.
 *
 * timeout: 300
 * expect: files 1001
 * expect[each-child]: leaf in_child allocations 3 leaked_blocks 1 leaked_bytes 33
 * expect[each-child]: total lost_events 0 unknown_frees 0
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 * expect: leaf busy leaked_blocks 0
 * expect: site in_child allocations 0
 */
#include "testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static atomic_int stop;

static NOINLINE void busy(void)
{
	while (!atomic_load(&stop)) {
		for (int i = 0; i < 20; i++)
			free(keep(malloc((size_t)i * 10)));
		usleep(20); /* two cores are shared with the collector and the children */
	}
}

static void *thread_main(void *arg)
{
	busy();
	return arg;
}

static NOINLINE void in_child(void)
{
	void *a = keep(malloc(11)), *b = keep(malloc(22)), *c = keep(malloc(33));
	free(a);
	free(b);
	check(c);
}

int main(void)
{
	pthread_t threads[4];
	int good = 0;
	for (int i = 0; i < 4; i++)
		check(pthread_create(&threads[i], NULL, thread_main, NULL) == 0);
	for (int i = 0; i < 1000; i++) {
		pid_t child = fork();
		if (child == 0) {
			in_child();
			_exit(7);
		}
		int status;
		check(child > 0 && waitpid(child, &status, 0) == child);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < 4; i++)
		check(pthread_join(threads[i], NULL) == 0);
	say("children %d\n", good);
	return 0;
}
