/* The header in a program that is not position independent, where weak symbols would be silently NULL; and the same names
 * found by dlsym, as any other language does.
 *
 * expect: calls begin:header end begin:dlsym end start:dlsym finish:dlsym mark:dlsym
 * expect: operations header 1 dlsym 2
 */
#include "testing.h"

#include "tidemark.h"

int main(void)
{
	void (*begin)(const char *), (*end)(void), (*finish)(uint64_t), (*mark)(const char *);
	uint64_t (*start)(const char *);
	*(void **)&begin = dlsym(RTLD_DEFAULT, "tidemark_op_begin");
	*(void **)&end = dlsym(RTLD_DEFAULT, "tidemark_op_end");
	*(void **)&start = dlsym(RTLD_DEFAULT, "tidemark_op_start");
	*(void **)&finish = dlsym(RTLD_DEFAULT, "tidemark_op_finish");
	*(void **)&mark = dlsym(RTLD_DEFAULT, "tidemark_mark");
	tidemark_op_begin("header");
	tidemark_op_end();
	if (begin && end && start && finish && mark) {
		begin("dlsym");
		end();
		finish(start("dlsym"));
		mark("dlsym");
	}
	say("done\n");
	return 0;
}
