/* analyzer/base/option.c: options anywhere among operands, their kinds, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/option.h"

struct values {
	bool flag;
	const char *text, *json;
	uint64_t number, size;
	struct option_list list;
};

/* returns: what option_parse says to the words of `line`, which it cuts up; operands in argv */
static int parse(char *line, bool stop, struct values *v, char *argv[32], struct err *err)
{
	const struct option rows[] = {
	    {.name = "flag", .letter = 'f', .kind = OPTION_FLAG, .value = &v->flag},
	    {.name = "text", .letter = 't', .kind = OPTION_TEXT, .value = &v->text, .argument = "T"},
	    {.name = "json", .kind = OPTION_OPTIONAL, .value = &v->json, .argument = "F"},
	    {.name = "number", .kind = OPTION_NUMBER, .value = &v->number, .argument = "N", .min = 2, .max = 9},
	    {.name = "size", .kind = OPTION_SIZE, .value = &v->size, .argument = "SIZE"},
	    {.name = "list", .kind = OPTION_LIST, .value = &v->list, .argument = "X"},
	    {0},
	};
	const struct option_table table = {
	    .synopsis = "test", .purpose = "Test.", .options = rows, .stop_at_operand = stop};
	int argc = 0;
	*v = (struct values){0};
	argv[argc++] = "test";
	for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return option_parse(&table, argc, argv, err);
}

static void takes_options_out(void **state)
{
	(void)state;
	struct values v;
	struct err err;
	char *argv[32], line[] = "a -f --text=x b --json --number 3 --size 64k --list 1 --list=2 - -- -c --flag";
	assert_int_equal(parse(line, false, &v, argv, &err), 5);
	assert_true(v.flag);
	assert_string_equal(v.text, "x");
	assert_string_equal(v.json, "");
	assert_int_equal(v.number, 3);
	assert_int_equal(v.size, 65536);
	assert_int_equal(v.list.n_items, 2);
	assert_string_equal(v.list.items[1], "2");
	free(v.list.items);
	const char *const operands[] = {"a", "b", "-", "-c", "--flag"};
	for (int i = 0; i < 5; i++)
		assert_string_equal(argv[i + 1], operands[i]);
	assert_null(argv[6]);
}

static void stops_at_the_first_operand(void **state)
{
	(void)state;
	struct values v;
	struct err err;
	char *argv[32], line[] = "-t x command --flag";
	assert_int_equal(parse(line, true, &v, argv, &err), 2);
	assert_false(v.flag);
	assert_string_equal(argv[2], "--flag");
	char json[] = "--json=out a", attached[] = "-tx";
	assert_int_equal(parse(json, false, &v, argv, &err), 1);
	assert_string_equal(v.json, "out");
	assert_int_equal(parse(attached, false, &v, argv, &err), 0);
	assert_string_equal(v.text, "x");
}

static void refuses(void **state)
{
	(void)state;
	const char *const bad[] = {"--none", "-x", "--text", "-t", "--number 1", "--number 10", "--number x",
	    "--number=", "--size 1x", "--flag=1", "--tex y", "--list"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct values v;
		struct err err;
		char *argv[32], line[64];
		strcpy(line, bad[i]);
		if (parse(line, false, &v, argv, &err) != TIDEMARK_ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_options_out),
	    cmocka_unit_test(stops_at_the_first_operand),
	    cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
