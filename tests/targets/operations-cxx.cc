// The header in C++: a guard object begins and ends the operation.
//
// expect: operations guarded 2 job 1
// expect: marks last
// expect: site answer allocations 1 leaked_blocks 0
// expect: total lost_events 0
#include "testing.h"

#include "tidemark.h"

class operation
{
      public:
	explicit operation(const char *name)
	{
		tidemark_op_begin(name);
	}
	~operation()
	{
		tidemark_op_end();
	}
};

static NOINLINE void quiet()
{
	operation guard("guarded");
}

static NOINLINE int answer()
{
	operation guard("guarded");
	int *block = new int[6];
	int result = keep(block) != nullptr;
	delete[] block;
	return result;
}
int main()
{
	quiet();
	check(answer() == 1);
	uint64_t id = tidemark_op_start("job");
	tidemark_op_finish(id);
	tidemark_mark("last");
	say("done\n");
	return 0;
}
