// Exceptions that fly across hooked frames: out of constructors inside new, out of deep calls, out of threads' functions,
// out of operator new itself (bad_alloc), and out of a new handler.
//
// expect: site make_throwing allocations 1000 bytes 1000*200 leaked_blocks 0
// expect: site deep allocations 100*20 leaked_blocks 100 leaked_bytes 100*5
// expect: site out_of_memory leaked_blocks 0
// expect: site after allocations 10 leaked_blocks 10 leaked_bytes 10*9
// expect: total lost_events 0 unknown_frees 0 implicit_frees 0
#include <exception>
#include <new>
#include <stdexcept>

#include "testing.h"

struct Throwing {
	char bytes[200];
	NOINLINE Throwing() { throw 7; }
};

// Only the object itself: the exception's own memory comes from another stack position, __cxa_allocate_exception.
static NOINLINE Throwing *make_throwing()
{
	void *room = keep(operator new(sizeof(Throwing)));
	operator delete(room);
	return nullptr;
}

static NOINLINE int constructor_throws()
{
	int caught = 0;
	for (int i = 0; i < 1000; i++) {
		make_throwing();
		try {
			keep(new Throwing);
		} catch (int seven) {
			caught += seven == 7;
		}
	}
	return caught;
}

static NOINLINE void deep(int depth)
{
	void *p = keep(malloc(5));
	if (depth == 1)
		return; // keeps its block
	struct Guard {
		void *held;
		~Guard() { free(held); }
	} guard = {p};
	deep(depth - 1);
}

static NOINLINE int thrower(int depth)
{
	struct Guard {
		char *held = new char[16];
		~Guard() { delete[] held; }
	} guard;
	if (depth == 0)
		throw std::runtime_error("bottom");
	return thrower(depth - 1) + (guard.held != nullptr);
}

static NOINLINE int deep_throws()
{
	int caught = 0;
	for (int i = 0; i < 100; i++) {
		deep(20);
		try {
			thrower(30);
		} catch (const std::exception &e) {
			caught += strcmp(e.what(), "bottom") == 0;
		}
	}
	return caught;
}

static int handler_calls;

static void giving_up_handler()
{
	if (++handler_calls % 3 == 0)
		throw std::bad_alloc();
}

static NOINLINE int out_of_memory()
{
	int caught = 0;
	const size_t much = keep((size_t)PTRDIFF_MAX - 4096);
	for (int i = 0; i < 50; i++) {
		try {
			keep(operator new(much));
		} catch (const std::bad_alloc &) {
			caught++;
		}
		try {
			keep(operator new[](much, std::align_val_t(64)));
		} catch (const std::bad_alloc &) {
			caught++;
		}
		check(keep(operator new(much, std::nothrow)) == nullptr);
	}
	std::set_new_handler(giving_up_handler);
	for (int i = 0; i < 10; i++) {
		try {
			keep(operator new(much));
		} catch (const std::bad_alloc &) {
			caught++;
		}
	}
	std::set_new_handler(nullptr);
	return caught;
}

static NOINLINE void after()
{
	for (int i = 0; i < 10; i++)
		check(keep(malloc(9)));
}

int main()
{
	int a = constructor_throws(), b = deep_throws(), c = out_of_memory();
	say("caught %d %d %d, handler %d\n", a, b, c, handler_calls);
	after();
	return 0;
}
