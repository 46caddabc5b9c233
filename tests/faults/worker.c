/* What the fault tests record: a program with a known number of events that says at its end that all went well.
 *
 * usage: worker work N        N blocks of varied sizes on varied stacks, every tenth kept; prints done, exits with 5
 *        worker steady MS     allocates for that long, in small steps; prints done, exits with 5. SIGUSR1 only
 *                             interrupts it
 *        worker lines         writes lines to descriptor 1 until somebody stops it
 *        worker descriptors FILE   writes to FILE which descriptors are open, and which one comes next; exits with 5
 */
#include "testing.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>

static uint64_t state = 88172645463325252ull;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static NOINLINE void *on_some_stack(uint64_t path, unsigned depth)
{
	if (!depth)
		return keep(malloc(draw() % 5000));
	void *p = path & 1 ? on_some_stack(path >> 1, depth - 1) : on_some_stack(path >> 1, depth - 1);
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static NOINLINE void work(uint64_t n)
{
	static void *window[1000];
	for (uint64_t i = 0; i < n; i++) {
		unsigned at = (unsigned)(draw() % 1000);
		if (i % 10)
			free(window[at]);
		window[at] = on_some_stack(draw(), (unsigned)(draw() % 12));
		check(window[at]);
	}
}

static void interrupted(int number)
{
	(void)number;
}

static NOINLINE void steady(long ms)
{
	struct timespec start, now;
	signal(SIGUSR1, interrupted);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		work(1000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

static void descriptors(const char *path)
{
	char open_ones[600] = "";
	for (int fd = 0; fd < 500; fd++)
		open_ones[fd] = fcntl(fd, F_GETFD) >= 0 ? '1' : '0';
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	check(fd >= 0);
	dprintf(fd, "%s next %d\n", open_ones, fd);
	work(10000);
	for (int i = 0; i < 40; i++) { /* numbers that become free and are taken again */
		int other = open("/dev/null", O_RDWR);
		if (other >= 0)
			close(other);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	check(argc >= 2);
	if (strcmp(argv[1], "work") == 0)
		work(strtoull(argv[2], NULL, 10));
	else if (strcmp(argv[1], "steady") == 0)
		steady(atol(argv[2]));
	else if (strcmp(argv[1], "descriptors") == 0)
		descriptors(argv[2]);
	else
		for (;;)
			say("a line\n"), free(keep(malloc(100)));
	say("done\n");
	return 5;
}
