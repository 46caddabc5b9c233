// A program whose own operator new calls malloc and adds a header: one event each, of the size that malloc was asked for.
//
// expect: site make allocations 100 bytes 100*(40+16) leaked_blocks 5 leaked_bytes 5*56
// expect: total lost_events 0 unknown_frees 0 implicit_frees 0
#include <new>

#include "testing.h"

void *operator new(std::size_t size)
{
	char *p = (char *)malloc(size + 16);
	return p + 16;
}

void operator delete(void *p) noexcept
{
	if (p)
		free((char *)p - 16);
}

void operator delete(void *p, std::size_t) noexcept
{
	operator delete(p);
}

static NOINLINE void make()
{
	for (int i = 0; i < 100; i++) {
		void *p = keep(operator new(40));
		if (i % 20)
			operator delete(p);
	}
}

int main()
{
	make();
	say("done\n");
	return 0;
}
