/* session_files: the traces of one session are found by their heads, whatever they are called. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "launch/session_files.h"
#include "tidemark/trace.h"

#define NOW_NS 1700000000000000000u
#define SECOND_NS 1000000000u

static char folder[] = "/tmp/tidemark-unit-XXXXXX";

static void put(const char *name, const void *bytes, size_t n)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void put_trace(const char *name, char session, uint32_t pid, uint64_t start_ns)
{
	struct tidemark_file_header header = {.pid = pid, .start_real_ns = start_ns};
	memcpy(header.magic, TIDEMARK_TRACE_MAGIC, sizeof(header.magic));
	memset(header.session_id, session, sizeof(header.session_id));
	put(name, &header, sizeof(header));
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static int find(struct session_files *files, const char *name, pid_t pid, struct err *err)
{
	char template[256];
	snprintf(template, sizeof(template), "%s/%s", folder, name);
	return session_files_find(files, template, pid, NOW_NS, err);
}

static void assert_name(const struct session_files *files, size_t i, const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_string_equal(files->items[i], path);
}

static void finds_the_session(void **state)
{
	struct session_files files;
	struct err err;
	(void)state;
	put_trace("b.tmk", 'a', 100, NOW_NS + 5);
	put_trace("a.tmk", 'a', 101, NOW_NS + SECOND_NS);
	put_trace("other.tmk", 'b', 102, NOW_NS + 5);
	put_trace("of-yesterday.tmk", 'c', 100, NOW_NS - 86400ull * SECOND_NS);
	put("text", "no trace", 8);
	put("empty", "", 0);
	assert_int_equal(find(&files, "b.tmk", 100, &err), 0);
	assert_int_equal(files.n_items, 2);
	assert_name(&files, 0, "a.tmk");
	assert_name(&files, 1, "b.tmk");
	session_files_release(&files);
}

static void takes_the_newest_of_a_pid(void **state)
{
	struct session_files files;
	struct err err;
	(void)state;
	put_trace("older.tmk", 'd', 200, NOW_NS - SECOND_NS);
	put_trace("newer.tmk", 'e', 200, NOW_NS + SECOND_NS);
	assert_int_equal(find(&files, "%e.%p.tmk", 200, &err), 0);
	assert_int_equal(files.n_items, 1);
	assert_name(&files, 0, "newer.tmk");
	session_files_release(&files);
}

static void bears_a_clock_that_was_set_back(void **state)
{
	struct session_files files;
	struct err err;
	(void)state;
	put_trace("set-back.tmk", 'f', 300, NOW_NS - 2ull * SECOND_NS);
	assert_int_equal(find(&files, "x", 300, &err), 0);
	assert_int_equal(files.n_items, 1);
	session_files_release(&files);
}

static void says_what_is_missing(void **state)
{
	struct session_files files;
	struct err err = {0};
	(void)state;
	assert_int_equal(find(&files, "x", 999, &err), TIDEMARK_ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "no trace of process 999"));
	session_files_release(&files);
	assert_int_equal(find(&files, "nosuch/x", 100, &err), TIDEMARK_ERR_SYSTEM);
	assert_non_null(strstr(err.text, "cannot look into"));
	session_files_release(&files);
}

static void finds_what_was_not_given(void **state)
{
	struct session_files others;
	struct err err = {0};
	char paths[3][256], text[SESSION_FILES_TEXT_BYTES], expected[SESSION_FILES_TEXT_BYTES + 1200];
	const char *given[3] = {paths[0], paths[1], paths[2]};
	(void)state;
	for (char c = 'a'; c <= 'e'; c++)
		put_trace((char[]){'s', c, 0}, 'g', (uint32_t)(400 + c), NOW_NS);
	put_trace("copy-of-sa", 'g', 400 + 'a', NOW_NS);
	put_trace("alone", 'h', 400, NOW_NS);
	snprintf(paths[0], sizeof(paths[0]), "%s/sa", folder);
	snprintf(paths[1], sizeof(paths[1]), "%s/sc", folder);
	snprintf(paths[2], sizeof(paths[2]), "%s/alone", folder);
	assert_int_equal(session_files_others(&others, given, 3, &err), 0);
	assert_int_equal(others.n_items, 3);
	assert_name(&others, 0, "sb");
	assert_name(&others, 1, "sd");
	assert_name(&others, 2, "se");
	snprintf(expected, sizeof(expected), "'%s', '%s' and '%s'", others.items[0], others.items[1], others.items[2]);
	assert_string_equal(session_files_text(&others, text), expected);
	session_files_release(&others);
	assert_int_equal(session_files_others(&others, given, 1, &err), 0);
	assert_int_equal(others.n_items, 4);
	snprintf(expected, sizeof(expected), "'%s', '%s' and 2 more", others.items[0], others.items[1]);
	assert_string_equal(session_files_text(&others, text), expected);
	session_files_release(&others);
	given[0] = "nosuch/x";
	assert_int_equal(session_files_others(&others, given, 1, &err), 0);
	assert_int_equal(others.n_items, 0);
	session_files_release(&others);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_the_session),
	    cmocka_unit_test(takes_the_newest_of_a_pid),
	    cmocka_unit_test(bears_a_clock_that_was_set_back),
	    cmocka_unit_test(says_what_is_missing),
	    cmocka_unit_test(finds_what_was_not_given),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
