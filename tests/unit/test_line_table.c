/* analyzer/symbols/line_table.c: which tables hold no row. The rows themselves: tests/symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "symbols/line_table.h"

/* DWARF 4, no folders, no files; then one row's worth of opcodes. */
static const uint8_t table[] = {
    34, 0, 0, 0,           /* bytes that follow */
    4, 0,                  /* version */
    20, 0, 0, 0,           /* bytes of the header from here on */
    1, 1, 1, 0xfb, 14, 13, /* instruction, operations, statement, line base and range, first special opcode */
    0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, /* arguments of the standard ones */
    0, 0,                               /* no folder, no file */
    1, 1, 1, 1, 0, 1, 1, 0,             /* copy, copy, ..., end of sequence */
};

static bool is_empty(const uint8_t *bytes, size_t n_bytes)
{
	struct line_sections sections = {.line = {bytes, n_bytes}};
	return line_table_is_empty(&sections, 0);
}

static void a_table_with_rows_is_not_empty(void **state)
{
	(void)state;
	assert_false(is_empty(table, sizeof(table)));
}

static void a_table_that_ends_with_its_header_is_empty(void **state)
{
	uint8_t short_table[30];
	(void)state;
	memcpy(short_table, table, sizeof(short_table));
	short_table[0] = sizeof(short_table) - 4;
	assert_true(is_empty(short_table, sizeof(short_table)));
}

/* A unit is left out only when its table says that there is nothing. */
static void a_broken_table_is_not_empty(void **state)
{
	(void)state;
	for (size_t n = 0; n < 30; n++)
		assert_false(is_empty(table, n));
}

static void no_table_is_not_empty(void **state)
{
	struct line_sections sections = {.line = {table, sizeof(table)}};
	(void)state;
	assert_false(line_table_is_empty(&sections, sizeof(table)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_table_with_rows_is_not_empty),
	    cmocka_unit_test(a_table_that_ends_with_its_header_is_empty),
	    cmocka_unit_test(a_broken_table_is_not_empty),
	    cmocka_unit_test(no_table_is_not_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
