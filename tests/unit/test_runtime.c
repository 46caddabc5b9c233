/* Which stacks allocated for the C runtime itself. Stacks are written innermost first, as "function@module". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/runtime.h"
#include "tidemark/ring.h"

#define MAX_FRAMES 16

static const char *module_path(char letter)
{
	switch (letter) {
	case 'c':
		return "/lib/x86_64-linux-gnu/libc.so.6";
	case 'l':
		return "/lib64/ld-linux-x86-64.so.2";
	case '+':
		return "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";
	case 'g':
		return "/usr/lib/x86_64-linux-gnu/gconv/UTF-16.so";
	case 'o':
		return "/lib/x86_64-linux-gnu/libc-2.31.so";
	default:
		return "/usr/bin/program";
	}
}

static const char *callee; /* what the program's call instruction says; NULL: nothing */

static const char *find_callee(void *arg, const struct frame_view *view)
{
	(void)arg;
	assert_string_equal(view->module, "/usr/bin/program");
	return callee;
}

/* text: "function@letter function@letter ..." with '_' for no name */
static bool owns(const char *text)
{
	struct frame_view views[MAX_FRAMES];
	const struct frame_view *frames[MAX_FRAMES];
	char *copy = strdup(text), *rest = copy, *word;
	size_t n = 0;
	while ((word = strsep(&rest, " "))) {
		char *at = strrchr(word, '@');
		*at = 0;
		views[n] = (struct frame_view){
		    .function = strcmp(word, "?") ? word : "", .file = "", .module = module_path(at[1])};
		frames[n] = &views[n];
		n++;
	}
	bool result = runtime_owns(frames, n, find_callee, NULL);
	free(copy);
	return result;
}

static void the_program_owns_what_it_asks_for(void **state)
{
	(void)state;
	assert_false(owns("f@p main@p __libc_start_main@c _start@p"));
	assert_false(owns("main@p"));
	assert_false(owns("operator_new@+ main@p"));
	assert_false(runtime_owns(NULL, 0, NULL, NULL));
}

static void stdio_buffers_are_the_runtimes(void **state)
{
	(void)state;
	assert_true(owns("_IO_file_doallocate@c _IO_doallocbuf@c _IO_file_overflow@c puts@c main@p"));
	assert_true(owns("_IO_wfile_doallocate@c _IO_wdoallocbuf@c ?@c ?@c main@p"));
	assert_true(owns("_IO_file_doallocate@c _IO_doallocbuf@c ?@c getline@c main@p"));
	assert_true(owns("__GI__IO_file_doallocate@c main@p"));
}

static void handed_over_blocks_are_the_programs(void **state)
{
	(void)state;
	assert_false(owns("strdup@c main@p"));
	assert_false(owns("__GI___strdup@c main@p"));
	assert_false(owns("__fopen_internal@c main@p"));
	assert_false(owns("_IO_new_popen@c main@p"));
	assert_false(owns("__vasprintf_internal@c main@p"));
	assert_false(owns("?@c ?@c __asprintf_chk@c main@p"));
	assert_false(owns("?@c getaddrinfo@c main@p"));
	assert_false(owns("__alloc_dir@c opendir_tail@c main@p"));
	assert_false(owns("?@c scandir64@c main@p"));
	assert_false(owns("__strdup@o main@p"));
	assert_false(owns("__getdelim@c main@p"));
	assert_false(owns("?@c regcomp@c main@p"));
	assert_false(owns("?@c __isoc99_sscanf@c main@p"));
}

static void the_buffer_of_open_memstream_is_the_programs(void **state)
{
	(void)state;
	assert_false(owns("open_memstream@c main@p"));
	assert_false(owns("_IO_str_overflow@c ?@c fprintf@c main@p"));
	assert_false(owns("_IO_mem_finish@c fclose@c main@p"));
}

static void kept_blocks_are_the_runtimes(void **state)
{
	(void)state;
	assert_true(owns("?@c setlocale@c main@p"));
	assert_true(owns("?@c ?@c getpwnam@c main@p"));
	assert_true(owns("tzset_internal@c __tz_convert@c main@p"));
	assert_true(owns("?@c localtime@c main@p"));
	assert_true(owns("?@c qsort@c main@p"));
	assert_true(owns("?@o setlocale@o main@p"));
	assert_true(owns("?@c setenv@c main@p"));
}

static void the_loader_keeps_everything(void **state)
{
	(void)state;
	assert_true(owns("_dl_allocate_tls@l pthread_create@c main@p"));
	assert_true(owns("?@l ?@l ?@c dlopen@c main@p"));
	assert_true(owns("__tls_get_addr@l f@p main@p"));
	assert_true(owns("?@l"));
	assert_true(owns("?@l ?@c iconv_open@c main@p"));
}

static void caches_behind_handed_over_blocks(void **state)
{
	(void)state;
	assert_false(owns("__gconv_open@c iconv_open@c main@p"));
	assert_true(owns("__gconv_load_cache@c __gconv_open@c iconv_open@c main@p"));
	assert_true(owns("tsearch@c ?@c ?@c __gconv_open@c iconv_open@c main@p"));
	assert_true(owns("?@c ?@c mbrtowc@c ?@c regcomp@c main@p"));
	assert_true(owns("__resolv_conf_load@c ?@c getaddrinfo@c main@p"));
	assert_true(owns("?@c ?@c ?@c getaddrinfo@c main@p"));
	assert_false(owns("?@c ?@c getaddrinfo@c main@p"));
	assert_false(owns("strdup@c ?@c ?@c getaddrinfo@c main@p"));
	assert_false(owns("?@c ?@c ?@c fopen@c main@p"));
	assert_true(owns("_nl_load_locale@c newlocale@c main@p"));
}

static void unnamed_entries_are_asked_at_the_call(void **state)
{
	(void)state;
	callee = NULL;
	assert_false(owns("?@c main@p"));
	assert_false(owns("?@c ?@c main@p"));
	callee = "localtime";
	assert_true(owns("?@c ?@c main@p"));
	callee = "fopen64";
	assert_false(owns("?@c main@p"));
	callee = NULL;
}

/* A function that jumps to malloc leaves no frame; its caller is libc's. */
static void tail_calls_to_malloc_are_the_programs(void **state)
{
	(void)state;
	assert_false(owns("start_thread@c clone3@c"));
	assert_false(owns("__libc_start_call_main@c __libc_start_main@c _start@p"));
	assert_false(owns("bsearch@c main@p"));
	assert_false(owns("_obstack_newchunk@c main@p"));
}

static void the_emergency_pool_is_the_runtimes(void **state)
{
	(void)state;
	assert_true(owns("?@+ call_init@l _dl_init@l ?@l"));
	assert_true(owns("?@+ ?@+ ?@l ?@l"));
	assert_true(owns("__gnu_cxx::(anonymous_namespace)::f@p _GLOBAL__sub_I_eh_alloc.cc@p call_init@c"));
	assert_false(owns("?@+ execute_native_thread_routine@+ start_thread@c clone3@c"));
	assert_false(owns("?@+ main@p"));
}

static void early_blocks_are_the_loaders(void **state)
{
	(void)state;
	struct frame_view early = {.function = "", .file = "", .module = "", .flags = TIDEMARK_NODE_EARLY};
	const struct frame_view *frames[] = {&early};
	assert_true(runtime_owns(frames, 1, NULL, NULL));
	early.flags = TIDEMARK_NODE_BROKEN;
	assert_false(runtime_owns(frames, 1, NULL, NULL));
}

static void names_lose_their_decorations(void **state)
{
	(void)state;
	static const char *const given[] = {"strdup", "__strdup", "__GI___strdup", "_IO_new_fdopen", "fopen64",
	    "__fopen_internal", "_IO_getdelim", "getcwd", "__getcwd_chk", "__realpath_chk", "opendir_tail",
	    "strdup@@GLIBC_2.2.5", "regcomp.localalias", "posix_spawn_file_actions_addopen",
	    "__posix_spawn_file_actions_realloc"};
	static const char *const kept[] = {"puts", "setlocale", "getpwnam", "localtime", "pthread_create", "dlopen",
	    "qsort", "x", "_", "", "strdu", "strdupx"};
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (!runtime_hands_over(given[i]))
			fail_msg("%s hands over", given[i]);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (runtime_hands_over(kept[i]))
			fail_msg("%s keeps", kept[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_program_owns_what_it_asks_for),
	    cmocka_unit_test(stdio_buffers_are_the_runtimes),
	    cmocka_unit_test(handed_over_blocks_are_the_programs),
	    cmocka_unit_test(the_buffer_of_open_memstream_is_the_programs),
	    cmocka_unit_test(kept_blocks_are_the_runtimes),
	    cmocka_unit_test(the_loader_keeps_everything),
	    cmocka_unit_test(caches_behind_handed_over_blocks),
	    cmocka_unit_test(unnamed_entries_are_asked_at_the_call),
	    cmocka_unit_test(tail_calls_to_malloc_are_the_programs),
	    cmocka_unit_test(the_emergency_pool_is_the_runtimes),
	    cmocka_unit_test(early_blocks_are_the_loaders),
	    cmocka_unit_test(names_lose_their_decorations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
