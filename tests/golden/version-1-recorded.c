/* The program that tests/golden/version-1-recorded.tmk was recorded from, as /tmp/golden/first-steps. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "tidemark.h"
static void *kept[4];
static void *worker(void *arg) { for (int i = 0; i < 50; i++) free(calloc(3, (size_t)i + 1)); return strdup(arg); }
static void load(int n) { tidemark_op_begin("load"); char *p = malloc((size_t)n); p = realloc(p, (size_t)n * 2); kept[n / 100 % 4] = p; tidemark_op_end(); }
int main(void)
{
	pthread_t t; void *name;
	for (int i = 1; i <= 8; i++) load(i * 100);
	tidemark_mark("loaded");
	pthread_create(&t, NULL, worker, "from a thread"); pthread_join(t, &name);
	for (int i = 0; i < 3; i++) free(kept[i]);
	tidemark_mark("freed");
	free(name);
	return 3;
}
