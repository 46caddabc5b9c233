// Every form of operator new and delete, each pair one allocation and one free. Sizes are those that libstdc++ asks libc for: an
// aligned form rounds up to a multiple of its alignment, as aligned_alloc demands; nothing takes one byte.
//
// expect: site single_forms allocations 1+1+1+1 bytes 4+100+64+128 leaked_blocks 0
// expect: site array_forms allocations 1+1+1+1 bytes 40+101+128+256 leaked_blocks 0
// expect: site sized_deletes allocations 4 leaked_blocks 0
// expect: site placement allocations 0
// expect: site zero allocations 2 leaked_blocks 2 leaked_bytes 2
// expect: site left_behind allocations 3 leaked_blocks 3 leaked_bytes 1+20+512
// expect: total lost_events 0 unknown_frees 0 implicit_frees 0
#include <new>

#include "testing.h"

struct alignas(64) Wide {
	char bytes[64];
};

static NOINLINE void single_forms()
{
	int *a = keep(new int(1));
	void *b = keep(operator new(100, std::nothrow));
	Wide *c = keep(new Wide);
	void *d = keep(operator new(65, std::align_val_t(128), std::nothrow));
	check(a && b && c && d && (uintptr_t)c % 64 == 0 && (uintptr_t)d % 128 == 0);
	delete a;
	operator delete(b, std::nothrow);
	delete c;
	operator delete(d, std::align_val_t(128), std::nothrow);
}

static NOINLINE void array_forms()
{
	int *a = keep(new int[10]);
	char *b = keep(new (std::nothrow) char[101]);
	Wide *c = keep(new Wide[2]);
	void *d = keep(operator new[](129, std::align_val_t(256), std::nothrow));
	check(a && b && c && d && (uintptr_t)c % 64 == 0 && (uintptr_t)d % 256 == 0);
	delete[] a;
	operator delete[](b, std::nothrow);
	delete[] c;
	operator delete[](d, std::align_val_t(256), std::nothrow);
}

static NOINLINE void sized_deletes()
{
	void *a = keep(operator new(50)), *b = keep(operator new[](60));
	void *c = keep(operator new(70, std::align_val_t(64))), *d = keep(operator new[](80, std::align_val_t(64)));
	operator delete(a, (std::size_t)50);
	operator delete[](b, (std::size_t)60);
	operator delete(c, (std::size_t)70, std::align_val_t(64));
	operator delete[](d, (std::size_t)80, std::align_val_t(64));
	operator delete(nullptr);
	operator delete[](nullptr);
	delete keep((int *)nullptr);
}

static NOINLINE void placement()
{
	alignas(int) char room[sizeof(int)];
	int *p = new (room) int(5);
	check(*keep(p) == 5);
}

static NOINLINE void zero()
{
	check(keep(new char[0]) != keep(operator new(0)));
}

static NOINLINE void left_behind()
{
	check(keep(new char) && keep(new char[20]) && keep(operator new(256, std::align_val_t(512))));
}

int main()
{
	single_forms();
	array_forms();
	sized_deletes();
	placement();
	zero();
	left_behind();
	say("done\n");
	return 0;
}
