/* Eight threads with operations of one name at the same time, and operations that each wander through all of them: none is
 * lost, none is ended by another thread's end.
 *
 * expect: operations request 4000 inner 4000 wandering 800
 * expect: threads 9
 * expect: leaf request leaked_blocks 8*500 leaked_bytes 8*500*24
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <pthread.h>

#include "tidemark.h"

enum { N_THREADS = 8, N_REQUESTS = 500, N_WANDERING = 100 };
static uint64_t ids[N_THREADS][N_WANDERING];
static pthread_barrier_t together;

static NOINLINE void request(void)
{
	tidemark_op_begin("request");
	check(keep(malloc(24)));
	tidemark_op_begin("inner");
	free(keep(malloc(100)));
	tidemark_op_end();
	tidemark_op_end();
	tidemark_op_end(); /* one too many: this thread has none open */
}

static void *work(void *arg)
{
	size_t me = (size_t)arg;
	pthread_barrier_wait(&together);
	for (int i = 0; i < N_WANDERING; i++)
		ids[me][i] = tidemark_op_start("wandering");
	for (int i = 0; i < N_REQUESTS; i++)
		request();
	pthread_barrier_wait(&together);
	for (int i = 0; i < N_WANDERING; i++)
		tidemark_op_finish(ids[(me + 1) % N_THREADS][i]);
	return NULL;
}

static void check_ids(void)
{
	for (int i = 0; ids[0][0] && i < N_THREADS * N_WANDERING; i++)
		for (int k = 0; k < i; k++)
			check(ids[i / N_WANDERING][i % N_WANDERING] != ids[k / N_WANDERING][k % N_WANDERING]);
}

int main(void)
{
	pthread_t threads[N_THREADS];
	check(pthread_barrier_init(&together, NULL, N_THREADS) == 0);
	for (size_t i = 0; i < N_THREADS; i++)
		check(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	for (size_t i = 0; i < N_THREADS; i++)
		check(pthread_join(threads[i], NULL) == 0);
	check_ids();
	say("done\n");
	return 0;
}
