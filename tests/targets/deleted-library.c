/* A library that is deleted from the disk while it is in use: its frames keep their names. When the program is over at once too,
 * the names may be gone with it, but not the counts, the stacks and the library.
 *
 * case: after-first-use after
 * expect: leaf plug_a_allocate allocations 20 leaked_blocks 2 leaked_bytes 200
 * expect: total lost_events 0 broken_stacks 0
 *
 * case: before-first-use before
 * expect: leaf plug_a_allocate allocations 20 leaked_blocks 2 leaked_bytes 200
 * expect: total lost_events 0 broken_stacks 0
 *
 * case: at-once at-once
 * expect: module copied-library.so allocations 20 leaked_blocks 2 leaked_bytes 200
 * expect: total lost_events 0 broken_stacks 0
 */
#include "testing.h"

#include <dlfcn.h>
#include <fcntl.h>

static void copy(const char *from, const char *to)
{
	char room[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	check(in >= 0 && out >= 0);
	for (ssize_t n; (n = read(in, room, sizeof(room))) > 0;)
		check(write(out, room, (size_t)n) == n);
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	check(argc == 2);
	char self[3000], from[4096], to[] = "./copied-library.so";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	check(n > 0);
	self[n] = 0;
	*strrchr(self, '/') = 0;
	snprintf(from, sizeof(from), "%s/libplug-a.so", self);
	copy(from, to);
	void *handle = dlopen(to, RTLD_NOW);
	check(handle);
	void (*call)(void);
	*(void **)&call = dlsym(handle, "plug_a_allocate");
	check(call);
	if (strcmp(argv[1], "after") != 0)
		check(unlink(to) == 0);
	call();
	if (strcmp(argv[1], "at-once") != 0)
		usleep(300000); /* the recorder looks at what was used while the program runs, at the latest now */
	if (strcmp(argv[1], "after") == 0)
		check(unlink(to) == 0);
	call();
	say("done\n");
	return 0;
}
