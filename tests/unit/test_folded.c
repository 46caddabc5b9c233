/* Folded stacks: the order of frames, and names that cannot break a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "render/folded.h"
#include "tidemark/ring.h"

static struct frame_view view_of(const char *function)
{
	return (struct frame_view){.function = function, .file = "", .module = "/usr/lib/libx y;z.so", .offset = 0x1f};
}

static void assert_named(struct frame_view view, bool offsets, const char *expected)
{
	struct folded folded = {.offsets = offsets};
	assert_int_equal(folded_name(&folded, &view), 0);
	assert_string_equal(folded.line, expected);
	folded_release(&folded);
}

static void names_are_made_safe(void **state)
{
	(void)state;
	assert_named(view_of("main"), false, "main");
	assert_named(view_of("f(int, char const*)"), false, "f(int,char_const*)");
	assert_named(view_of("a;b"), false, "a:b");
	assert_named(view_of("a\nb\tc\x7f"), false, "a?b?c?");
	assert_named(view_of("g 12"), false, "g_12");
	assert_named(view_of("caf\xc3\xa9"), false, "caf\xc3\xa9");
	assert_named(view_of("x\xff\xc3y"), false, "x??y");
	assert_named(view_of("no\xc2\xa0"
	                     "break\xc2\x85"),
	    false, "no_break?");
}

static void unknown_functions_are_their_modules(void **state)
{
	(void)state;
	assert_named(view_of(""), false, "[libx_y:z.so]");
	assert_named(view_of(""), true, "libx_y:z.so+0x1f");
	struct frame_view nowhere = {.function = "", .file = "", .module = "", .offset = 0x7f12};
	assert_named(nowhere, false, "[unknown]");
	assert_named(nowhere, true, "[unknown]+0x7f12");
	struct frame_view vdso = {.function = "", .file = "", .module = "[vdso]"};
	assert_named(vdso, false, "[vdso]");
}

static void odd_frames_are_visible(void **state)
{
	(void)state;
	struct frame_view view = {.function = "", .file = "", .module = ""};
	view.flags = TIDEMARK_NODE_CUT;
	assert_named(view, false, "[cut]");
	view.flags = TIDEMARK_NODE_BROKEN;
	assert_named(view, true, "[broken]");
	view.flags = TIDEMARK_NODE_EARLY;
	assert_named(view, false, "[early]");
}

static void lines_begin_with_the_root(void **state)
{
	(void)state;
	struct frame_view views[] = {view_of("leaf"), view_of("inner part"), view_of("root")};
	const struct frame_view *frames[] = {&views[0], &views[1], &views[2]};
	char *text = NULL;
	size_t length = 0;
	struct folded folded = {.out = open_memstream(&text, &length)};
	assert_int_equal(folded_line(&folded, frames, 3, UINT64_MAX), 0);
	assert_int_equal(folded_line(&folded, frames, 1, 1), 0);
	assert_int_equal(folded_line(&folded, NULL, 0, 7), 0);
	fclose(folded.out);
	assert_string_equal(text, "root;inner_part;leaf 18446744073709551615\nleaf 1\n[lost] 7\n");
	folded_release(&folded);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_made_safe),
	    cmocka_unit_test(unknown_functions_are_their_modules),
	    cmocka_unit_test(odd_frames_are_visible),
	    cmocka_unit_test(lines_begin_with_the_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
