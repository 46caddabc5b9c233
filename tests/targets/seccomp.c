/* A process that locks itself down after its start: any system call outside a short list kills it. The shim keeps to the
 * memory calls and futex, also when its rings grow and when new threads come.
 *
 * expect: leaf before allocations 10 leaked_blocks 10
 * expect: leaf after allocations 300000 leaked_blocks 3000 leaked_bytes 3000*28
 * expect: leaf in_thread allocations 4*1000 leaked_blocks 4*10
 * expect: total lost_events 0 unknown_frees 0 end exit:0
 */
#include "testing.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ALLOW(name) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void lock_down(void)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(write), ALLOW(brk), ALLOW(mmap), ALLOW(mprotect), ALLOW(mremap), ALLOW(munmap), ALLOW(madvise),
		ALLOW(futex), ALLOW(exit), ALLOW(exit_group), ALLOW(rt_sigreturn),
		/* what pthread_create and pthread_join need themselves */
		ALLOW(clone), ALLOW(clone3), ALLOW(set_robust_list), ALLOW(rseq), ALLOW(rt_sigprocmask),
		ALLOW(rt_sigaction), ALLOW(sched_getaffinity),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static NOINLINE void before(void)
{
	for (int i = 0; i < 10; i++)
		check(keep(malloc(27)));
}

static NOINLINE void after(void)
{
	for (int i = 0; i < 300000; i++) {
		void *p = keep(malloc(28));
		if (i % 100)
			free(p);
	}
}

static NOINLINE void in_thread(void)
{
	for (int i = 0; i < 1000; i++) {
		void *p = keep(malloc(29));
		if (i % 100)
			free(p);
	}
}

static void *thread_main(void *arg)
{
	in_thread();
	return arg;
}

int main(void)
{
	before();
	lock_down();
	after();
	run_in_threads(4, thread_main);
	say("done\n");
	return 0;
}
