/* clone without libc: a child that no atfork handler announces, and a child that shares the memory.
 *
 * case: copy copy
 * expect: files 2
 * expect: leaf before allocations 10 leaked_blocks 10
 * expect: leaf after allocations 10 leaked_blocks 10
 * expect: site in_child allocations 0
 * expect: total lost_events 0 unknown_frees 0 inherited_frees 0
 * expect[child]: leaf in_child allocations 20 leaked_blocks 10 leaked_bytes 10*15
 * expect[child]: total inherited_frees 5 unknown_frees 0 lost_events 0
 *
 * case: shared shared
 * expect: files 1
 * expect: leaf before allocations 10 leaked_blocks 5
 * expect: leaf in_child allocations 20 leaked_blocks 10 leaked_bytes 10*15
 * expect: leaf after allocations 10 leaked_blocks 10
 * expect: total lost_events 0 unknown_frees 0 inherited_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void *blocks[10];

static NOINLINE void before(void)
{
	for (int i = 0; i < 10; i++)
		blocks[i] = keep(malloc(14));
}

static NOINLINE void in_child(void)
{
	for (int i = 0; i < 20; i++) {
		void *p = keep(malloc(15));
		if (i % 2)
			free(p);
	}
	for (int i = 0; i < 5; i++)
		free(blocks[i]);
}

static NOINLINE void after(void)
{
	for (int i = 0; i < 10; i++)
		check(keep(malloc(16)));
}

static int shared_child(void *arg)
{
	(void)arg;
	in_child();
	_exit(0);
}

int main(int argc, char **argv)
{
	check(argc == 2);
	before();
	long child;
	if (strcmp(argv[1], "copy") == 0) {
		child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (child == 0) {
			in_child();
			_exit(0);
		}
	} else {
		char *stack = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(stack != MAP_FAILED);
		child = clone(shared_child, stack + (1 << 20), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	}
	int status;
	check(child > 0 && waitpid((pid_t)child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	after();
	say("done\n");
	return 0;
}
