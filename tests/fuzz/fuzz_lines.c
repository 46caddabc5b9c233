/* Line tables of arbitrary bytes: the reader stays inside them, ends, and gives rows in order of their addresses.
 * The input is .debug_line; the strings of DWARF 5 are taken from it too. */
#include <stdlib.h>

#include "symbols/line_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void check(const struct line_table *table)
{
	for (size_t i = 1; i < table->n_rows; i++)
		if (table->rows[i - 1].start >= table->rows[i].start)
			abort();
	for (uint32_t address = 0; address < 4096; address += 64) {
		const struct line_row *row = line_table_find(table, address);

		if (row && row->start > address)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	const struct line_section section = {bytes, n_bytes};
	const struct line_sections sections = {section, section, section};
	struct strpool pool;
	struct line_place place = {0x1000, 0x7fffffff, &pool};
	struct line_table table = {0};

	strpool_init(&pool);
	line_table_read(&table, &sections, 0, "/folder", &place);
	check(&table);
	line_table_release(&table);
	strpool_release(&pool);
	return 0;
}
