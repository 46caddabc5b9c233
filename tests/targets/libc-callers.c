/* Allocations that libc makes for its callers: the sizes are those that it asked for, and the caller stands in the stack.
 *
 * expect: site by_strdup allocations 10 bytes 10*6 leaked_blocks 10
 * expect: site by_strndup allocations 1 bytes 4 leaked_blocks 0
 * expect: site by_asprintf leaked_blocks 1 leaked_bytes 21
 * expect: site by_getline leaked_blocks 1 leaked_bytes 120
 * expect: site by_opendir leaked_blocks 0 allocations >=1
 * expect: site by_fopen leaked_blocks 0 allocations >=2
 * expect: site by_qsort leaked_blocks 0
 * expect: site by_memstream leaked_blocks 1
 * expect: site by_realpath allocations >=1 leaked_blocks 1
 * expect: total lost_events 0 unknown_frees 0 broken_stacks 0
 */
#include "testing.h"

#include <dirent.h>

static NOINLINE void by_strdup(void)
{
	for (int i = 0; i < 10; i++)
		check(keep(strdup("hello")));
}

static NOINLINE void by_strndup(void)
{
	char *s = keep(strndup("hello", 3));
	check(strcmp(s, "hel") == 0);
	free(s);
}

static NOINLINE void by_asprintf(void)
{
	char *s = NULL;
	check(asprintf(&s, "%20d", 5) == 20 && s);
}

static NOINLINE void by_fopen(void)
{
	FILE *f = fopen("/proc/self/comm", "r");
	char line[64];
	check(f && fgets(line, sizeof(line), f) && fclose(f) == 0);
}

static NOINLINE void by_getline(void)
{
	char *line = NULL;
	size_t room = 0;
	FILE *f = fopen("/proc/self/comm", "r");
	check(f && getline(&line, &room, f) > 0 && room == 120 && fclose(f) == 0);
}

static NOINLINE void by_opendir(void)
{
	DIR *d = opendir(".");
	check(d && readdir(d) && closedir(d) == 0);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static NOINLINE void by_qsort(void)
{
	static int numbers[5000];
	for (int i = 0; i < 5000; i++)
		numbers[i] = i * 7919 % 5003;
	qsort(numbers, 5000, sizeof(int), compare);
	check(numbers[0] <= numbers[4999]);
}

static NOINLINE void by_memstream(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	check(f);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "%d,", i);
	check(fclose(f) == 0 && size == 3890);
}

static NOINLINE void by_realpath(void)
{
	check(keep(realpath(".", NULL)));
}

int main(void)
{
	by_strdup();
	by_strndup();
	by_asprintf();
	by_fopen();
	by_getline();
	by_opendir();
	by_qsort();
	by_memstream();
	by_realpath();
	say("done\n");
	return 0;
}
