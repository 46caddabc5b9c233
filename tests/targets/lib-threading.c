/* The library of constructor-threads.c. */
#include "testing.h"

#include <pthread.h>

static NOINLINE void thread_of_constructor(void)
{
	for (int i = 0; i < 100; i++) {
		void *p = keep(malloc(44));
		if (i)
			free(p);
	}
}

static void *thread_main(void *arg)
{
	thread_of_constructor();
	return arg;
}

__attribute__((constructor)) static void start(void)
{
	pthread_t thread;
	check(pthread_create(&thread, NULL, thread_main, NULL) == 0);
	check(pthread_join(thread, NULL) == 0);
}
