/* swapcontext coroutines that allocate at several depths, on stacks that are unmapped and taken again by others at the same
 * addresses: no stack is made of another coroutine's frames, and nothing unmapped is touched.
 *
 * expect: leaf odd_leaf allocations 100*6 leaked_blocks 300 leaked_bytes 300*13
 * expect: leaf even_leaf allocations 100*6 leaked_blocks 300 leaked_bytes 300*14
 * expect: never odd_leaf even_body
 * expect: never even_leaf odd_body
 * expect: site odd_body allocations 100*6
 * expect: site even_body allocations 100*6
 * expect: leaf scheduler allocations 200*5 leaked_blocks 0
 * expect: total lost_events 0 unknown_frees 0 implicit_frees 0
 */
#include "testing.h"

#include <sys/mman.h>
#include <ucontext.h>

#define STACK_BYTES 65536

static ucontext_t home, one, two;

static void yield(ucontext_t *self)
{
	check(swapcontext(self, &home) == 0);
}

static NOINLINE void odd_leaf(int depth)
{
	if (depth) {
		odd_leaf(depth - 1);
		return;
	}
	free(keep(malloc(50)));
	yield(&one);
	check(keep(malloc(13)));
}

static NOINLINE void even_leaf(int depth)
{
	if (depth) {
		even_leaf(depth - 1);
		return;
	}
	check(keep(malloc(14)));
	yield(&two);
	free(keep(malloc(60)));
}

static NOINLINE void odd_body(void)
{
	for (int i = 0; i < 3; i++)
		odd_leaf(i * 5 % 7);
}

static NOINLINE void even_body(void)
{
	for (int i = 0; i < 3; i++)
		even_leaf(i * 3);
}

static void prepare(ucontext_t *context, void (*body)(void), char *stack)
{
	check(getcontext(context) == 0);
	context->uc_stack.ss_sp = stack;
	context->uc_stack.ss_size = STACK_BYTES;
	context->uc_link = &home;
	makecontext(context, body, 0);
}

static NOINLINE void scheduler(void)
{
	for (int round = 0; round < 4; round++) {
		free(keep(malloc(15)));
		check(swapcontext(&home, &one) == 0);
		free(keep(malloc(16)));
		check(swapcontext(&home, &two) == 0);
	}
	free(keep(malloc(17)));
	free(keep(malloc(18)));
}

static char *new_stack(void)
{
	char *p = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED);
	return p;
}

int main(void)
{
	for (int i = 0; i < 100; i++) {
		char *a = new_stack(), *b = new_stack();
		if (i % 2) { /* the bodies change places */
			char *c = a;
			a = b;
			b = c;
		}
		prepare(&one, odd_body, a);
		prepare(&two, even_body, b);
		scheduler();
		check(munmap(a, STACK_BYTES) == 0 && munmap(b, STACK_BYTES) == 0);
	}
	say("done\n");
	return 0;
}
