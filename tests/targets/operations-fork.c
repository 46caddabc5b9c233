/* A fork inside operations: they end in the parent, where they count. The child's trace holds only what it began itself;
 * its ends of inherited operations mean nothing, and its ids are its own.
 *
 * expect: files 2
 * expect: calls +50 begin:request start:job -50 end finish:job
 * expect: operations request 1 job 1
 * expect[child]: calls end finish:? begin:child-request +60 end start:child-job finish:child-job
 * expect[child]: operations child-request 1 child-job 1
 * expect[child]: total lost_events 0 leaked_bytes 60
 */
#include "testing.h"

#include <sys/wait.h>

#include "tidemark.h"

static void in_child(uint64_t inherited)
{
	tidemark_op_end();
	tidemark_op_finish(inherited);
	tidemark_op_begin("child-request");
	check(keep(malloc(60)));
	tidemark_op_end();
	uint64_t id = tidemark_op_start("child-job");
	check(id == 0 || id != inherited);
	tidemark_op_finish(id);
	_exit(0);
}

int main(void)
{
	int status;
	void *block = keep(malloc(50));
	check(block);
	tidemark_op_begin("request");
	uint64_t id = tidemark_op_start("job");
	pid_t child = fork();
	check(child >= 0);
	if (child == 0)
		in_child(id);
	check(waitpid(child, &status, 0) == child && status == 0);
	free(block);
	tidemark_op_end();
	tidemark_op_finish(id);
	say("done\n");
	return 0;
}
