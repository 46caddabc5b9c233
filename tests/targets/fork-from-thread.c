/* A thread forks; the child goes on from that thread, starts threads of its own, forks again. Handlers of pthread_atfork
 * allocate and free on both sides.
 *
 * expect: files 3
 * expect: leaf at_fork_prepare allocations 1
 * expect: leaf at_fork_parent allocations 1 leaked_blocks 1
 * expect[image=1]: leaf at_fork_child allocations 1 leaked_blocks 1 leaked_bytes 14
 * expect[image=1]: leaf child_work allocations 4*10 leaked_blocks 4
 * expect[image=1]: leaf at_fork_prepare allocations 1
 * expect[image=1]: total lost_events 0 unknown_frees 0 end exit:4
 * expect[image=2]: leaf at_fork_child allocations 1
 * expect[image=2]: leaf grandchild_work allocations 2 leaked_blocks 2
 * expect[image=2]: total lost_events 0 unknown_frees 0 end exit:6
 */
#include "testing.h"

#include <pthread.h>
#include <sys/wait.h>

static NOINLINE void at_fork_prepare(void)
{
	free(keep(malloc(12)));
}

static NOINLINE void at_fork_parent(void)
{
	check(keep(malloc(13)));
}

static NOINLINE void at_fork_child(void)
{
	check(keep(malloc(14)));
}

static NOINLINE void child_work(void)
{
	for (int i = 0; i < 10; i++) {
		void *p = keep(malloc(60));
		if (i)
			free(p);
	}
}

static void *child_thread(void *arg)
{
	child_work();
	return arg;
}

static NOINLINE void grandchild_work(void)
{
	check(keep(malloc(1)) && keep(malloc(2)));
}

static int wait_for(pid_t pid)
{
	int status;
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void child(void)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		check(pthread_create(&threads[i], NULL, child_thread, NULL) == 0);
	for (int i = 0; i < 4; i++)
		check(pthread_join(threads[i], NULL) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		grandchild_work();
		exit(6);
	}
	check(wait_for(pid) == 6);
	exit(4);
}

static void *forking_thread(void *arg)
{
	pid_t pid = fork();
	if (pid == 0)
		child();
	*(int *)arg = wait_for(pid);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	int status = -1;
	check(pthread_atfork(at_fork_prepare, at_fork_parent, at_fork_child) == 0);
	check(pthread_create(&thread, NULL, forking_thread, &status) == 0);
	check(pthread_join(thread, NULL) == 0);
	say("child %d\n", status);
	return 0;
}
