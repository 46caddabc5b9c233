/* TOML as far as thresholds need it: what is read, and that all else is refused with its line. */
#include "core/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Read a text by way of a file. returns: toml_read's result */
static int read_text(struct toml *toml, const char *text, struct err *err)
{
	char path[] = "/tmp/test_toml.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	int result = toml_read(toml, path, err);
	unlink(path);
	return result;
}

static void assert_item(
    const struct toml_item *item, const char *table, const char *key, const char *text, unsigned line)
{
	assert_string_equal(item->table, table);
	assert_string_equal(item->key, key);
	if (text)
		assert_string_equal(item->text, text);
	assert_int_equal(item->line, line);
}

static void reads_keys_and_values(void **state)
{
	(void)state;
	struct toml toml;
	struct err err;
	assert_int_equal(read_text(&toml,
	                     "\xef\xbb\xbf# first\n"
	                     "top = 1_000\r\n"
	                     "[ gate ] # a table\n"
	                     "a.\"b c\".d = 'C:\\x'\n"
	                     "\"q\\\"\\u00e9\\U0001F600\\n\" = \"\\t#no comment\" # one\n"
	                     "yes = true\n"
	                     "half = -0.5e1\n"
	                     "[gate.op]\n"
	                     "list = [ \"x\", # first\n"
	                     "  'y' ,\n"
	                     "]\n"
	                     "none = []",
	                     &err),
	    0);
	assert_int_equal(toml.n_items, 7);
	assert_item(&toml.items[0], "", "top", "1000", 2);
	assert_int_equal(toml.items[0].kind, TOML_NUMBER);
	assert_item(&toml.items[1], "gate.a.b c", "d", "C:\\x", 4);
	assert_item(&toml.items[2], "gate", "q\"\xc3\xa9\xf0\x9f\x98\x80\n", "\t#no comment", 5);
	assert_item(&toml.items[3], "gate", "yes", "true", 6);
	assert_int_equal(toml.items[3].kind, TOML_BOOL);
	assert_item(&toml.items[4], "gate", "half", "-0.5e1", 7);
	assert_item(&toml.items[5], "gate.op", "list", NULL, 9);
	assert_int_equal(toml.items[5].n_list, 2);
	assert_string_equal(toml.items[5].list[1], "y");
	assert_int_equal(toml.items[6].n_list, 0);
	toml_release(&toml);
}

static void refuses_with_the_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} bad[] = {{"a = 1\na = 2\n", ":2: 'a' stands in line 1"}, {"\n\nx\n", ":3: '=' should follow"},
	    {"a = \"x\nb = 1\n", ":1: a string without"}, {"a = \"\\ud800\"\n", ":1: no character"},
	    {"a = \"\\u12\"\n", ":1: unknown escape"}, {"a = \"\"\"x\"\"\"\n", "several lines"},
	    {"a = 1979-05-27\n", ":1: no value"}, {"a = 0x10\n", ":1: no value"}, {"a = inf\n", ":1: no value"},
	    {"a = [1]\n", ":1: a list of strings"}, {"a = [\"x\"\n", ":2: a list without"},
	    {"[a\n", ":1: a table's name"}, {"[]\n", ":1: a key should stand"},
	    {"a = 1 2\n", ":1: the line should end"}, {"= 1\n", ":1: a key should stand"},
	    {"a = {}\n", ":1: inline tables"}, {"[[a]]\n", ":1: lists of tables"}, {"a =", ":1: no value"}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct toml toml;
		struct err err;
		assert_int_equal(read_text(&toml, bad[i].text, &err), TIDEMARK_ERR_USAGE);
		if (!strstr(err.text, bad[i].says))
			fail_msg("'%s' does not say '%s'", err.text, bad[i].says);
		toml_release(&toml);
	}
}

static void refuses_what_is_no_text(void **state)
{
	(void)state;
	struct toml toml;
	struct err err;
	assert_int_equal(toml_read(&toml, "/nonexistent/x.toml", &err), TIDEMARK_ERR_SYSTEM);
	toml_release(&toml);
	assert_int_equal(toml_read(&toml, "/", &err), TIDEMARK_ERR_SYSTEM);
	toml_release(&toml);
	assert_int_equal(toml_read(&toml, "/dev/null", &err), 0);
	assert_int_equal(toml.n_items, 0);
	toml_release(&toml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_keys_and_values),
	    cmocka_unit_test(refuses_with_the_line),
	    cmocka_unit_test(refuses_what_is_no_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
