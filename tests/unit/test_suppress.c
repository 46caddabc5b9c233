/* Suppressions: the pattern language of LeakSanitizer, files of them, and which frame they match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/suppress.h"

static void patterns_are_found_anywhere(void **state)
{
	(void)state;
	assert_true(suppress_matches("foo", "foo"));
	assert_true(suppress_matches("foo", "a_foo_b"));
	assert_false(suppress_matches("foo", "fo"));
	assert_false(suppress_matches("foo", ""));
	assert_false(suppress_matches("*", ""));
	assert_true(suppress_matches("*", "x"));
	assert_true(
	    suppress_matches("std::vector<int>::push_back(int const&)", "std::vector<int>::push_back(int const&)"));
}

static void stars_stand_for_anything(void **state)
{
	(void)state;
	assert_true(suppress_matches("f*z", "a foo baz b"));
	assert_true(suppress_matches("f**z", "fz"));
	assert_false(suppress_matches("f*z", "zf"));
	assert_true(suppress_matches("*foo*", "foo"));
	assert_true(suppress_matches("a*b*c", "xxaxxbxxcxx"));
	assert_false(suppress_matches("a*b*c", "xxaxxcxxbxx"));
}

static void anchors_hold_to_the_ends(void **state)
{
	(void)state;
	assert_true(suppress_matches("^foo", "foobar"));
	assert_false(suppress_matches("^foo", "a foo"));
	assert_true(suppress_matches("foo$", "a foo"));
	assert_false(suppress_matches("foo$", "foobar"));
	assert_true(suppress_matches("^foo$", "foo"));
	assert_false(suppress_matches("^foo$", "foofoo"));
	assert_true(suppress_matches("foo$", "foofoo"));
	assert_true(suppress_matches("^f*r$", "foobar"));
	assert_true(suppress_matches("^foo*$", "foobar"));
	assert_true(suppress_matches("^*bar", "foobar"));
	assert_true(suppress_matches("/libfoo.so$", "/usr/lib/libfoo.so"));
	assert_false(suppress_matches("/libfoo.so$", "/usr/lib/libfoo.so.1"));
}

static void lines_become_suppressions(void **state)
{
	(void)state;
	static const char text[] = "# a comment\n\n  leak:one  \r\nleak:two*\n\t# another\nleak:three";
	struct suppressions list = {0};
	struct err err;
	assert_int_equal(suppressions_add_text(&list, text, strlen(text), "test", &err), 0);
	assert_int_equal(list.n_items, 3);
	assert_string_equal(list.items[0].pattern, "one");
	assert_string_equal(list.items[1].pattern, "two*");
	assert_string_equal(list.items[2].pattern, "three");
	suppressions_release(&list);
}

static void other_lines_are_errors(void **state)
{
	(void)state;
	static const char *const bad[] = {"leak:a\nrace:b\n", "leak:a\nleak\n", "leak:a\nmemory leak:b\n"};
	for (size_t i = 0; i < 3; i++) {
		struct suppressions list = {0};
		struct err err;
		assert_int_equal(
		    suppressions_add_text(&list, bad[i], strlen(bad[i]), "f.supp", &err), TIDEMARK_ERR_USAGE);
		assert_non_null(strstr(err.text, "f.supp:2: "));
		assert_int_equal(list.n_items, 1);
		suppressions_release(&list);
	}
}

static void function_file_and_module_match(void **state)
{
	(void)state;
	static const char text[] = "leak:^fun$\nleak:dir/file.c\nleak:libx.so\n";
	struct suppressions list = {0};
	struct err err;
	assert_int_equal(suppressions_add_text(&list, text, strlen(text), "test", &err), 0);
	struct frame_view view = {.function = "other", .file = "other.c", .module = "/bin/other"};
	assert_int_equal(suppressions_match(&list, &view), SUPPRESS_NONE);
	view.module = "/lib/libx.so.1";
	assert_int_equal(suppressions_match(&list, &view), 2);
	view.file = "/src/dir/file.cc";
	assert_int_equal(suppressions_match(&list, &view), 1);
	view.function = "fun";
	assert_int_equal(suppressions_match(&list, &view), 0);
	suppressions_release(&list);
}

static void built_in_list_is_well_formed(void **state)
{
	(void)state;
	struct suppressions list = {0};
	struct err err;
	assert_int_equal(
	    suppressions_add_text(&list, suppressions_built_in, strlen(suppressions_built_in), "built-in", &err), 0);
	assert_true(list.n_items > 3);
	suppressions_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(patterns_are_found_anywhere),
	    cmocka_unit_test(stars_stand_for_anything),
	    cmocka_unit_test(anchors_hold_to_the_ends),
	    cmocka_unit_test(lines_become_suppressions),
	    cmocka_unit_test(other_lines_are_errors),
	    cmocka_unit_test(function_file_and_module_match),
	    cmocka_unit_test(built_in_list_is_well_formed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
