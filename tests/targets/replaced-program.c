/* A program without a build-id whose file another build takes the place of while it runs, before its first block is seen: no
 * name of the other build may be reported. (As root the mapped file itself is read, as anybody else nothing.)
 *
 * copy: "renewed"
 * expect: site wrong_function allocations 0
 * expect: module renewed allocations 10 bytes 1000 leaked_blocks 10
 */
#include "testing.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

NOINLINE void right_function(void)
{
	for (int i = 0; i < 10; i++)
		keep(malloc(100));
}

/* The same program with another name for the function, in its tables of symbols and in its debug information. */
static void replace(const char *path)
{
	char right[] = "?ight_function", wrong[] = "wrong_function", next[4200];
	struct stat st;
	int in = open(path, O_RDONLY), out;
	right[0] = 'r'; /* its full name stands nowhere but where it is to be changed */
	check(in >= 0 && fstat(in, &st) == 0);
	char *text = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, in, 0), *at;
	check(text != MAP_FAILED);
	while ((at = memmem(text, (size_t)st.st_size, right, strlen(right))))
		memcpy(at, wrong, strlen(wrong));
	snprintf(next, sizeof(next), "%s.next", path);
	out = open(next, O_WRONLY | O_CREAT, 0755);
	check(out >= 0 && write(out, text, (size_t)st.st_size) == st.st_size && close(out) == 0);
	check(rename(next, path) == 0 && close(in) == 0);
}

int main(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	check(n > 0);
	self[n] = 0;
	replace(self);
	right_function();
	usleep(400000); /* the recorder looks at what was used while the program runs */
	say("done\n");
	return 0;
}
