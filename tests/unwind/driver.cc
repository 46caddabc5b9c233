/* Runs the generated functions (generate.py) in every situation that makes a stack hard to walk. driver SEED
 * FOLDER-OF-PLUGINS [libraries]: the parts follow each other in one process, so that what one leaves behind is there for
 * the next. The checker compares at every allocation; the program itself computes nothing and always ends with 0. */
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <initializer_list>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "generated.h"

extern "C" void checker_sync(void) __attribute__((weak));
extern "C" long asm_next(unsigned depth, unsigned seed);
extern "C" void *asm_other_stack;

static constexpr size_t page = 4096;
static constexpr size_t stack_bytes = 1024 * 1024; /* the generated frames are up to 70,000 bytes large */

volatile long sink;
volatile int may_throw = 1;
void *asm_other_stack;

void keep(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

#define F(n) f##n,
function *const functions[] = {
#include "functions.h"
    asm_rbx, asm_expression, asm_saved_expression, asm_moved, asm_value, asm_switch, asm_restore, asm_big};
#undef F
const unsigned n_functions = sizeof(functions) / sizeof(functions[0]);

__attribute__((noinline)) void allocate0(unsigned seed)
{
	void *p = malloc(seed % 100 + 1);
	keep(p);
	free(p);
}

__attribute__((noinline)) void allocate1(unsigned seed)
{
	void *p = calloc(seed % 10 + 1, 8);
	keep(p);
	p = realloc(p, seed % 300 + 1);
	keep(p);
	free(p);
}

__attribute__((noinline)) void allocate2(unsigned seed)
{
	char *p = new char[seed % 50 + 1];
	keep(p);
	delete[] p;
}

__attribute__((noinline)) void allocate3(unsigned seed)
{
	void *p = nullptr;
	if (posix_memalign(&p, 64, seed % 100 + 1) == 0)
		free(p);
}

__attribute__((noinline)) void allocate4(unsigned seed)
{
	char *s = strdup(seed % 2 ? "odd" : "even");
	keep(s);
	free(s);
}

long asm_next(unsigned depth, unsigned seed)
{
	if (depth == 0) {
		allocate0(seed);
		return 1;
	}
	return functions[seed * 7 % n_functions](depth - 1, seed * 3 + 1) + 1;
}

/* One random call. Exceptions that nobody below catches end here. */
static void call(unsigned depth, unsigned seed)
{
	try {
		sink = sink + functions[seed % n_functions](depth, seed / n_functions);
	} catch (int e) {
		allocate0((unsigned)e);
	}
}

static void run_plain(unsigned seed, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		call((seed + i) % 12, (seed + i * 17) * 2654435761u);
}

/* A few calls over and over, as programs do: what a thread remembers of its walks comes into play. */
static void run_loops(unsigned seed)
{
	for (unsigned round = 0; round < 15; round++)
		for (unsigned i = 0; i < 8; i++)
			call((seed + i) % 8, (seed + i * 29) * 2654435761u);
}

/* The same return address and stack pointer at malloc's caller, another frame pointer: of two frames one gives up the
 * room that the other takes, and what they leave there is what earlier calls left. The call sites differ. */
__attribute__((noinline)) static void take_inner(unsigned room)
{
	char *p = (char *)alloca(64 * room + 16);
	keep(p);
	void *block = malloc(8);
	keep(block);
	free(block);
	keep(p);
}

__attribute__((noinline)) static void take_outer(unsigned room)
{
	char *p = (char *)alloca(64 * room + 16);
	keep(p);
	if (room == 0)
		take_inner(3);
	else if (room == 1)
		take_inner(2);
	else
		take_inner(3 - room);
	keep(p);
}

static void run_equal_pointers()
{
	for (unsigned i = 0; i < 400; i++)
		take_outer(i * 7 / 3 % 4);
}

/* The same once more, for a frame that aligns itself: call sites and heights differ, code and registers do not. */
__attribute__((noinline)) static void take_aligned(unsigned room, unsigned seed)
{
	char *p = (char *)alloca(16 * room + 16);
	keep(p);
	if (room % 2)
		sink = sink + asm_aligned(0, seed);
	else
		sink = sink - asm_aligned(0, seed);
	keep(p);
}

static void run_aligned()
{
	for (unsigned first_seed : {3u, 256u})
		for (unsigned i = 0; i < 20 * 16; i++) {
			take_aligned(i % 4, first_seed);
			take_aligned(i / 4 % 4, 3);
		}
}

/* A frame so large that its stack pointer and its return address are further apart than remembered slots may be. */
__attribute__((noinline)) static void take_large(unsigned kib, unsigned seed)
{
	char *p = (char *)alloca(1024 * kib);
	keep(p);
	void *block = malloc(8);
	keep(block);
	free(block);
	allocate0(seed);
	keep(p);
}

static void run_large(unsigned seed)
{
	for (unsigned i = 0; i < 300; i++)
		take_large(i % 3 * 300 + 200, seed);
}

/* More callers in one function than a node of the trie has room for in its list of children. */
#define FOUR_TIMES(x) x x x x
__attribute__((noinline)) static void run_wide(void (*allocate)(unsigned), unsigned seed)
{
	FOUR_TIMES(FOUR_TIMES(allocate(seed); sink = sink + seed;) allocate(seed); sink = sink - seed;)
}

static long recurse(unsigned depth, unsigned every, unsigned seed)
{
	if (depth % every == 0)
		allocate0(seed);
	if (depth == 0)
		return 0;
	return recurse(depth - 1, every, seed) + 1;
}

/* Two stacks that differ in their middle only, deep down. */
static void run_deep(unsigned seed)
{
	for (unsigned depth : {100u, 250u, 260u, 300u, 330u, 1000u, 5000u})
		sink = sink + recurse(depth, depth / 10, seed);
	sink = sink + recurse(600, 1, seed);
	sink = sink + recurse(600, 1, seed);
}

/* A stack of its own, between pages that must not be touched. */
static char *map_stack(size_t bytes)
{
	char *p = (char *)mmap(nullptr, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(p + page, bytes, PROT_READ | PROT_WRITE);
	return p + page;
}

static void unmap_stack(char *p, size_t bytes)
{
	munmap(p - page, bytes + 2 * page);
}

static thread_local ucontext_t main_context, coroutine_context[3];

static void coroutine(int which, int seed)
{
	for (unsigned i = 0;; i++) {
		call(i % 9, (unsigned)seed + i * 7919);
		swapcontext(&coroutine_context[which], &main_context);
	}
}

static void run_coroutines(unsigned seed)
{
	char *stack[3];
	/* volatile: the loops' state must survive the switches */
	for (volatile unsigned round = 0; round < 3; round++) {
		for (volatile int i = 0; i < 3; i++) {
			if (round == 0 || round == 2) /* the second round uses the stacks again as they are */
				stack[i] = map_stack(2 * stack_bytes);
			getcontext(&coroutine_context[i]);
			coroutine_context[i].uc_stack.ss_sp = stack[i];
			coroutine_context[i].uc_stack.ss_size = 2 * stack_bytes;
			coroutine_context[i].uc_link = nullptr;
			makecontext(&coroutine_context[i], (void (*)())coroutine, 2, (int)i, (int)(seed + round));
		}
		for (volatile unsigned step = 0; step < 60; step++)
			swapcontext(&main_context, &coroutine_context[step % 3]);
		if (round >= 1)
			for (volatile int i = 0; i < 3; i++)
				unmap_stack(stack[i], 2 * stack_bytes);
	}
}

static sigjmp_buf out;
static volatile sig_atomic_t jump_out, n_signals;

static void handler(int, siginfo_t *, void *)
{
	unsigned n = (unsigned)n_signals++;
	call(n % 5, n * 977);
	if (jump_out) {
		jump_out = 0;
		siglongjmp(out, 1);
	}
}

static void on_signal(int number, int flags)
{
	struct sigaction action = {};
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO | flags;
	sigaction(number, &action, nullptr);
}

static void run_signals(unsigned seed)
{
	stack_t alternate = {};
	alternate.ss_sp = map_stack(2 * stack_bytes);
	alternate.ss_size = 2 * stack_bytes;
	sigaltstack(&alternate, nullptr);
	on_signal(SIGUSR1, SA_ONSTACK);
	on_signal(SIGUSR2, 0);
	for (unsigned i = 0; i < 50; i++) {
		raise(i % 2 ? SIGUSR1 : SIGUSR2);
		call(i % 7, seed + i);
	}
	for (volatile unsigned i = 0; i < 20; i++) {
		jump_out = 1;
		if (sigsetjmp(out, 1) == 0)
			raise(i % 2 ? SIGUSR1 : SIGUSR2);
		if (checker_sync)
			checker_sync();
		call(3, seed + i);
	}
}

/* At instructions that nobody chose: prologues, linkage tables, the unwinders themselves. */
static void run_timer(unsigned seed, unsigned n)
{
	struct itimerval every = {{0, 130}, {0, 130}}, never = {};
	/* libgcc's own _Unwind_RaiseException is left by an epilogue that its unwind information does not describe; a
	 * reference that starts there from a signal handler crashes. */
	may_throw = 0;
	on_signal(SIGALRM, seed % 2 ? SA_ONSTACK : 0);
	setitimer(ITIMER_REAL, &every, nullptr);
	run_plain(seed, n);
	setitimer(ITIMER_REAL, &never, nullptr);
	may_throw = 1;
}

/* Jump out of whatever the timer finds: also out of a walk that is being remembered. */
static void run_abandoned(unsigned seed, char *other_stack)
{
	struct itimerval once = {{0, 0}, {0, 170}};
	may_throw = 0;
	on_signal(SIGALRM, seed % 2 ? 0 : SA_ONSTACK);
	for (volatile unsigned i = 0; i < 300; i++) {
		asm_other_stack = other_stack;
		if (sigsetjmp(out, 1) == 0) {
			jump_out = 1;
			setitimer(ITIMER_REAL, &once, nullptr);
			for (unsigned k = 0; jump_out && k < 1000; k++)
				call((seed + k) % 8, (seed + k % 5) * 2654435761u);
			while (jump_out)
				pause();
		}
		if (checker_sync)
			checker_sync();
	}
	asm_other_stack = other_stack;
	may_throw = 1;
}

static jmp_buf back;

static long jumper(unsigned depth, unsigned seed)
{
	char *room = (char *)alloca(seed % 64 + 1);
	keep(room);
	allocate0(seed);
	if (depth == 0)
		longjmp(back, 1);
	return jumper(depth - 1, seed * 3 + 1) + room[0];
}

static void run_jumps(unsigned seed)
{
	for (volatile unsigned i = 0; i < 100; i++) {
		if (setjmp(back) == 0)
			sink = sink + jumper(i % 13, seed + i);
		call(i % 6, seed + i);
	}
}

static void *thread(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;
	run_plain(seed, 150);
	run_wide(allocate1, seed);
	run_loops(seed);
	run_coroutines(seed);
	return nullptr;
}

static void run_threads(unsigned seed)
{
	pthread_t threads[3];
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&threads[i], nullptr, thread, (void *)(uintptr_t)(seed + i));
	for (pthread_t t : threads)
		pthread_join(t, nullptr);
}

static constexpr char slashes[] = "//////////////////////////////////////////////////";

/* Two libraries of the same size take turns at one address. */
static void run_libraries(const char *folder, unsigned seed, unsigned turn)
{
	for (unsigned i = 0; i < 12; i++) {
		char path[4096];
		/* With the long name, libc's malloc gives both libraries' names the same memory in turn. */
		snprintf(
		    path, sizeof(path), "%s%splugin%c.so", folder, i < 6 ? "/" : slashes, (i + turn) % 3 ? 'a' : 'b');
		void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!library)
			abort();
		auto *enter = (function *)dlsym(library, "enter");
		for (unsigned k = 0; k < 40; k++)
			sink = sink + enter(k % 4, seed + k % 3);
		dlclose(library);
	}
}

static void run_children(const char *folder, unsigned seed)
{
	pid_t pid = vfork();
	if (pid == 0) {
		call(5, seed);
		_exit(0);
	}
	waitpid(pid, nullptr, 0);
	pid = fork();
	if (pid == 0)
		run_plain(seed, 50);
	/* Both share one trie, and have different libraries at one address at the same time, called from one place. */
	run_libraries(folder, seed, pid == 0);
	if (pid == 0)
		_exit(0);
	waitpid(pid, nullptr, 0);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	unsigned seed = (unsigned)atoi(argv[1]);
	char *other_stack = map_stack(stack_bytes * 8) + stack_bytes * 8;
	asm_other_stack = other_stack;
	if (argc > 3) { /* alone, for an allocator that gives out the same addresses again */
		run_libraries(argv[2], seed, 0);
		run_libraries(argv[2], seed, 1);
		return 0;
	}
	run_plain(seed, 400);
	run_loops(seed);
	run_equal_pointers();
	run_aligned();
	run_large(seed);
	for (auto *allocate : {allocate0, allocate1, allocate0})
		run_wide(allocate, seed);
	run_deep(seed);
	run_loops(seed + 1);
	run_coroutines(seed);
	run_signals(seed);
	run_jumps(seed);
	run_threads(seed);
	run_children(argv[2], seed);
	asm_other_stack = other_stack; /* whoever had it was left by an exception or a jump */
	run_timer(seed, 300);
	run_abandoned(seed, other_stack);
	run_plain(seed + 1, 300);
	run_loops(seed);
	return 0;
}
