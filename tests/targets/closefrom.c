/* closefrom() and close-all loops hit nothing of ours, and files opened at reused numbers get nothing written into them.
 *
 * expect: leaf before allocations 100 leaked_blocks 100
 * expect: leaf after allocations 100000 leaked_blocks 100 leaked_bytes 100*25
 * expect: total lost_events 0 unknown_frees 0 end exit:0
 */
#include "testing.h"

#include <fcntl.h>

static NOINLINE void before(void)
{
	for (int i = 0; i < 100; i++)
		check(keep(malloc(24)));
}

static NOINLINE void after(void)
{
	for (int i = 0; i < 100000; i++) {
		void *p = keep(malloc(25));
		if (i % 1000)
			free(p);
	}
}

int main(void)
{
	int files[40];
	char name[64];
	before();
	closefrom(3);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "reused-%d", i);
		files[i] = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
		check(files[i] == i + 3);
		check(write(files[i], name, strlen(name)) == (ssize_t)strlen(name));
	}
	after();
	for (int i = 0; i < 40; i++) {
		char back[64] = "";
		snprintf(name, sizeof(name), "reused-%d", i);
		check(lseek(files[i], 0, SEEK_END) == (off_t)strlen(name));
		check(pread(files[i], back, sizeof(back) - 1, 0) == (ssize_t)strlen(name) && strcmp(back, name) == 0);
		check(unlink(name) == 0);
	}
	say("done\n");
	return 0;
}
