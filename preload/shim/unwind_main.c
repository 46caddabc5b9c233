/* The moment just before main, when libunwind can be loaded. The shim's constructor is too early: it runs before libc's
 * own, and a dlopen there initialises libc without arguments and environment, which then stay empty for the program. A
 * hook of malloc may hold any lock. Enters: the call by _start. Leaves: the same call; nothing else is done in the
 * other modes. */
#include <dlfcn.h>
#include <stdint.h>

#include "stack.h"
#include "sys.h"

typedef int main_function(int, char **, char **);
typedef int start_main(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

EXPORT start_main __libc_start_main;

/* A tail call, so that no frame of the shim stays below main. */
int __libc_start_main(main_function *program, int argc, char **argv, void (*init)(void), void (*fini)(void),
    void (*rtld_fini)(void), void *stack_end)
{
	start_main *next = (start_main *)(uintptr_t)dlsym(RTLD_NEXT, "__libc_start_main");
	stack_main_begins();
	return next(program, argc, argv, init, fini, rtld_fini, stack_end);
}
