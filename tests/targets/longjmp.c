/* longjmp out of deep calls that hold blocks: the blocks stay (leaked by the jump), and the stacks of what comes after are
 * right although the jump unwound none of the frames that were remembered.
 *
 * expect: leaf dive allocations 50*30 leaked_blocks 50*30 leaked_bytes 50*30*12
 * expect: site left_side allocations 25*30
 * expect: site right_side allocations 25*30
 * expect: leaf after allocations 50 leaked_blocks 0
 * expect: total allocations 50*30+50 lost_events 0 unknown_frees 0
 * expect: never left_side right_side
 * expect: never dive after
 */
#include "testing.h"

#include <setjmp.h>

static jmp_buf home;

static NOINLINE void dive(int depth)
{
	check(keep(malloc(12)));
	if (depth > 1)
		keep(&dive)(depth - 1); /* through a pointer: gcc sees that no path returns */
	longjmp(home, 1);
}

static NOINLINE void left_side(void)
{
	dive(30);
}

static NOINLINE void right_side(void)
{
	volatile char room[200];
	room[0] = 1;
	dive(30);
	check(room[0] == 1);
}

static NOINLINE void after(void)
{
	free(keep(malloc(5)));
}

int main(void)
{
	for (volatile int i = 0; i < 50; i++) {
		if (setjmp(home) == 0) {
			if (i % 2)
				left_side();
			else
				right_side();
		}
		after();
	}
	say("done\n");
	return 0;
}
