/* Operations on one thread, nested and overlapping, with ends that have no beginning: each call stands in the trace at its
 * exact place among the blocks, and a call that means nothing harms nothing.
 *
 * expect: calls +10 begin:outer +20 begin:inner +30 end -30 end begin:outer end end start:a start:b start:a finish:b finish:a finish:? finish:a begin:outer start:a end finish:a mark:last begin:never-ended +40
 * expect: operations outer 3 inner 1 a 3 b 1
 * expect: total lost_events 0
 */
#include "testing.h"

#include "tidemark.h"

static void *take(size_t size)
{
	void *block = keep(malloc(size));
	check(block);
	return block;
}

static void nested(void)
{
	void *block;
	tidemark_op_begin("outer");
	take(20);
	tidemark_op_begin("inner");
	block = take(30);
	tidemark_op_end();
	free(block);
	tidemark_op_end();
}

/* Two at the same time have the same name: ids tell them apart. */
static void overlapping(void)
{
	uint64_t a = tidemark_op_start("a");
	uint64_t b = tidemark_op_start("b");
	uint64_t again = tidemark_op_start("a");
	tidemark_op_finish(b);
	tidemark_op_finish(again);
	tidemark_op_finish(b);
	tidemark_op_finish(a);
	tidemark_op_finish(0);
}

/* An operation with an id outlives the one in which it started. */
static void outliving(void)
{
	tidemark_op_begin("outer");
	uint64_t id = tidemark_op_start("a");
	tidemark_op_end();
	tidemark_op_finish(id);
}

int main(void)
{
	take(10);
	nested();
	tidemark_op_begin("outer");
	tidemark_op_end();
	tidemark_op_end();
	overlapping();
	outliving();
	tidemark_mark("last");
	tidemark_mark(NULL);
	tidemark_op_begin(NULL);
	tidemark_op_begin("never-ended");
	take(40);
	say("done\n");
	return 0;
}
