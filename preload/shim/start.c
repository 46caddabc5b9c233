/* The constructor: decides whether this process is recorded, and sets everything up before any other constructor runs
 * (the library is linked with -z initfirst, so libc's own has not run either). Enters: argv and envp. Leaves: recording
 * on, or a library that only passes calls through. Keeps no descriptor open and creates no thread. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#include "bounds.h"
#include "clock.h"
#include "emit.h"
#include "exe.h"
#include "hooks.h"
#include "hooks_cxx.h"
#include "hooks_jemalloc.h"
#include "hooks_map.h"
#include "join.h"
#include "lsan_text.h"
#include "objects.h"
#include "options.h"
#include "real.h"
#include "shm.h"
#include "slot.h"
#include "text.h"
#include "thread.h"

#define MAX_CMDLINE_BYTES 32768u
#define MAX_SUPPRESSIONS_BYTES 65535u
#define MAX_PATH 4096

static struct options options;

static void say(const char *what, const char *detail)
{
	char line[512];
	if (!options.verbose)
		return;
	struct text text = text_in(line, sizeof(line));
	text_put(&text, "tidemark: ");
	text_put(&text, what);
	if (detail) {
		text_put(&text, " '");
		text_put(&text, detail);
		text_put(&text, "'");
	}
	text_put(&text, "\n");
	SYS3(write, 2, line, text.at - line);
}

/* --- the environment of what the program starts --- */

static char session_entry[sizeof("TIDEMARK_SESSION=") + JOIN_NAME_BYTES + MAX_PATH];
static char children_entry[32];

/* Name the session that this process started to all that it starts. libc takes the kernel's array only after us, and
 * the array cannot grow: the new variable takes the place of TIDEMARK_OUTPUT, and carries its value behind a comma for
 * a process that cannot reach the session. */
static void name_session(const char *name)
{
	struct text text = text_in(session_entry, sizeof(session_entry));
	text_put(&text, "TIDEMARK_SESSION=");
	text_put(&text, name);
	text_put(&text, ",");
	text_put(&text, options.output);
	*(options.session_slot ? options.session_slot : options.output_slot) = session_entry;
}

/* The next images of this process will see in it that they are still the one to record, and children that they are not.
 */
static void name_only_process(void)
{
	if (options.children || options.children_of || !options.children_slot)
		return;
	struct text text = text_in(children_entry, sizeof(children_entry));
	text_put(&text, "TIDEMARK_CHILDREN=0:");
	text_put_number(&text, (uint64_t)SYS0(getpid), 10);
	*options.children_slot = children_entry;
}

/* --- what the collector wants to know --- */

static uint64_t take_number(const char **at)
{
	uint64_t n = 0;
	for (; **at >= '0' && **at <= '9'; ++*at)
		n = 10 * n + (uint64_t)(**at - '0');
	while (**at == ' ')
		++*at;
	return n;
}

/* Many programs are over before the collector can look. */
static void put_start_rss(struct tidemark_proc *p)
{
	char line[128] = "";
	int fd = (int)SYS3(openat, AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	SYS3(read, fd, line, sizeof(line) - 1);
	SYS1(close, fd);
	const char *at = line;
	take_number(&at); /* size */
	p->start_rss_bytes = take_number(&at) * getauxval(AT_PAGESZ);
	p->start_rss_shared_bytes = take_number(&at) * getauxval(AT_PAGESZ);
}

/* argv's strings lie one behind the other on the stack, as in /proc/PID/cmdline. */
static uint32_t put_cmdline(int argc, char **argv, uint32_t *bytes)
{
	*bytes = 0;
	if (argc < 1 || !argv[0])
		return 0;
	const char *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	if (end <= argv[0])
		return 0;
	size_t n = (size_t)(end - argv[0]);
	if (n > MAX_CMDLINE_BYTES)
		n = MAX_CMDLINE_BYTES;
	*bytes = (uint32_t)n;
	return shm_put_string(argv[0], n);
}

static uint32_t put_suppressions(void)
{
	const char *text = lsan_text();
	return text ? shm_put_string(text, strnlen(text, MAX_SUPPRESSIONS_BYTES)) : 0;
}

/* --- starting --- */

/* returns: a socket to the collector, or a negative error number when this process is not to be recorded */
static int find_session(char **envp)
{
	char name[JOIN_NAME_BYTES];
	if (!options.children && options.children_of && options.children_of != (uint32_t)SYS0(getpid))
		return -ECHILD;
	if (options.session) {
		int socket = join_session(options.session);
		if (socket >= 0)
			return socket;
		say("cannot reach the session", options.session);
	}
	if (!options.output)
		return -ENOENT;
	int socket = join_new_session(&options, envp, name);
	if (socket < 0) {
		say("cannot start a collector for", options.output);
		return socket;
	}
	name_session(name);
	say("started a recording to", options.output);
	int subreaper = 0;
	if (SYS0(getpid) == 1 || (SYS2(prctl, PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper))
		say("this process adopts orphans, so the collector becomes its child", NULL);
	return socket;
}

/* Set up all that recording needs. returns: the memory's descriptor, or negative */
static int prepare(int argc, char **argv)
{
	uint32_t bytes;
	int memfd = shm_create();
	if (memfd < 0)
		return memfd;
	clock_start();
	shm->depth_limit = options.depth;
	shm->maps_recorded = options.mmap;
	shm->argv = (uintptr_t)argv;
	uint32_t exe = shm_put_string(exe_path(), strlen(exe_path())), cmdline = put_cmdline(argc, argv, &bytes);
	bounds_init(getauxval(AT_EXECFN) ? getauxval(AT_EXECFN) : (uintptr_t)argv);
	if (!slot_init(options.children, exe, cmdline, bytes) || !threads_init()) {
		SYS1(close, memfd);
		return -ENOMEM;
	}
	put_start_rss(proc_self);
	shm->unwinder = stack_init(options.unwind, options.depth);
	shm->suppressions_string = put_suppressions();
	return memfd;
}

static bool begin(int argc, char **argv, char **envp)
{
	int socket = find_session(envp);
	if (socket < 0)
		return false;
	int memfd = prepare(argc, argv);
	int result = memfd < 0 ? memfd : join_send_image(socket, memfd);
	SYS1(close, socket);
	if (memfd >= 0)
		SYS1(close, memfd);
	if (result < 0)
		say("cannot set up the recording", NULL);
	return result == 0;
}

/* Each is there when its sanitizer's runtime is. Linked into the program (clang's way) it stands in front of malloc, so that
 * there is nothing to record, and of half of libc: ThreadSanitizer's strcmp crashes as long as its constructor has not run. */
extern __attribute__((weak, visibility("default"))) void __asan_init(void);
extern __attribute__((weak, visibility("default"))) void __hwasan_init(void);
extern __attribute__((weak, visibility("default"))) void __msan_init(void);
extern __attribute__((weak, visibility("default"))) void __tsan_init(void);

extern __attribute__((visibility("default"))) const struct tidemark_api tidemark_api; /* api.c; the first copy's */

extern HIDDEN const char __ehdr_start[], _end[]; /* the linker's: where this library begins and ends */

static bool is_ours(uintptr_t function)
{
	return function >= (uintptr_t)__ehdr_start && function < (uintptr_t)_end;
}

/* An allocator in front of us, mostly the program's own, that cannot pass its calls on to us: the few calls that it leaves
 * over would be blocks that never end. Nothing is recorded then, and the reports say so. */
static bool is_bypassed(void)
{
	struct object object;
	return !is_ours((uintptr_t)free) && objects_at((uintptr_t)free, &object) &&
	       object_find(&object, "free", false) && !object_imports(&object, "dlsym");
}

/* Another copy of this library in front of us records already: the user's own, of another build than record's. */
static bool is_second(void)
{
	struct object object;
	return !is_ours((uintptr_t)&tidemark_api) && objects_at((uintptr_t)&tidemark_api, &object) && object.soname &&
	       strcmp(object.soname, "libtidemark.so") == 0;
}

static bool is_sanitized(void)
{
	return !is_ours((uintptr_t)malloc) && (__asan_init || __hwasan_init || __msan_init || __tsan_init);
}

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	int saved = errno;
	if (is_sanitized()) {
		recording = RECORDING_OFF;
		return;
	}
	real_init();
	cxx_init();
	hooks_init();
	options_read(&options, envp);
	if ((options.output || options.session) && !is_second() && begin(argc, argv, envp)) {
		jemalloc_init();
		emit_fence_allocations = !real_malloc_is_known();
		name_only_process();
		maps_recorded = options.mmap;
		recording = is_bypassed() ? RECORDING_OFF : RECORDING_ON;
		on_exit(slot_exits, NULL); /* the first one registered runs last */
		if (recording == RECORDING_ON)
			emit_flush_early();
	} else {
		recording = RECORDING_OFF;
		shm_discard();
	}
	errno = saved;
}
