/* One thread allocates, another frees; the same addresses come back at once on the first. Nothing leaks, nothing is
 * unknown, whatever the order in which the two threads' records are seen.
 *
 * expect: leaf produce allocations 400000 bytes 400000*48 leaked_blocks 0
 * expect: leaf produce_kept allocations 100 leaked_blocks 100 leaked_bytes 800
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define SLOTS 64
#define BLOCKS 400000

static _Atomic(void *) slots[SLOTS];

static NOINLINE void produce(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		void *p = malloc(48);
		while (atomic_load_explicit(&slots[i % SLOTS], memory_order_acquire))
			sched_yield();
		atomic_store_explicit(&slots[i % SLOTS], p, memory_order_release);
	}
}

static NOINLINE void produce_kept(void)
{
	for (int i = 0; i < 100; i++)
		check(keep(malloc(8)));
}

static void *consume(void *arg)
{
	for (int i = 0; i < BLOCKS; i++) {
		void *p;
		while (!(p = atomic_load_explicit(&slots[i % SLOTS], memory_order_acquire)))
			sched_yield();
		atomic_store_explicit(&slots[i % SLOTS], NULL, memory_order_release);
		free(p);
	}
	return arg;
}

int main(void)
{
	pthread_t thread;
	check(pthread_create(&thread, NULL, consume, NULL) == 0);
	produce();
	check(pthread_join(thread, NULL) == 0);
	produce_kept();
	say("done\n");
	return 0;
}
