// A program that replaces only some of the operators, with an arena that malloc never sees, beside the library's own forms:
// no event for the arena's blocks, no frees of unknown blocks, and the forms left alone are counted.
//
// expect: site own_single allocations 0
// expect: site library_aligned allocations 10 bytes 10*96 leaked_blocks 2 leaked_bytes 2*96
// expect: site plain_malloc allocations 5 leaked_blocks 1 leaked_bytes 50
// expect: total lost_events 0 unknown_frees 0 implicit_frees 0
#include <new>

#include "testing.h"

alignas(16) static char arena[1 << 16];
static size_t used;
static int own_news, own_deletes;

void *operator new(std::size_t size)
{
	own_news++;
	void *p = arena + used;
	used += (size + 15) / 16 * 16;
	check(used <= sizeof(arena));
	return p;
}

void operator delete(void *p) noexcept
{
	check(p == nullptr || ((char *)p >= arena && (char *)p < arena + sizeof(arena)));
	own_deletes++;
}

void operator delete(void *p, std::size_t) noexcept
{
	operator delete(p);
}

static NOINLINE void own_single()
{
	for (int i = 0; i < 20; i++)
		delete keep(new long(i));
	for (int i = 0; i < 20; i++)
		delete[] keep(new char[24]); // libstdc++'s array form calls the program's single form
	operator delete(operator new(8, std::nothrow), std::nothrow);
}

static NOINLINE void library_aligned()
{
	for (int i = 0; i < 10; i++) {
		void *p = keep(operator new(96, std::align_val_t(32)));
		if (i >= 2)
			operator delete(p, std::align_val_t(32));
	}
}

static NOINLINE void plain_malloc()
{
	for (int i = 0; i < 5; i++) {
		void *p = keep(malloc(50));
		if (i)
			free(p);
	}
}

int main()
{
	own_single();
	library_aligned();
	plain_malloc();
	say("own %d %d\n", own_news, own_deletes);
	return 0;
}
