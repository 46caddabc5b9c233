/* A service of known figures, for the gate: service OPERATIONS LEAK_BYTES LEAK_EVERY BUFFER_BYTES [THREADS].
 * Each "request" takes and gives back a work buffer of 1000 bytes; every LEAK_EVERY-th leaves LEAK_BYTES behind for good
 * (0: none). "login" is every tenth of them, and clean. BUFFER_BYTES live from start to end and are freed. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark.h"

static long operations, leak_bytes, leak_every;
static void *volatile kept;

static void *take_buffer(size_t size)
{
	void *buffer = malloc(size);
	memset(buffer, 1, size);
	return buffer;
}

static void forget_session(void)
{
	void **session = malloc((size_t)leak_bytes);
	*session = kept;
	kept = session;
}

static void serve(long i)
{
	tidemark_op_begin("request");
	void *work = take_buffer(1000);
	if (leak_bytes && i % leak_every == 0)
		forget_session();
	free(work);
	tidemark_op_end();
	if (i % 10)
		return;
	tidemark_op_begin("login");
	free(take_buffer(500));
	tidemark_op_end();
}

static void *serve_clean(void *unused)
{
	for (long i = 1; i <= operations; i++) {
		tidemark_op_begin("request");
		free(take_buffer(1000));
		tidemark_op_end();
	}
	return unused;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	operations = atol(argv[1]);
	leak_bytes = atol(argv[2]);
	leak_every = atol(argv[3]);
	void *buffer = take_buffer((size_t)atol(argv[4]));
	int n_threads = argc > 5 ? atoi(argv[5]) : 0;
	pthread_t threads[16];
	for (int i = 0; i < n_threads; i++)
		pthread_create(&threads[i], NULL, serve_clean, NULL);
	for (long i = 1; i <= operations; i++)
		serve(i);
	for (int i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	free(buffer);
	return 0;
}
