/* Line tables (.debug_line, DWARF 2 to 5): from addresses to files and lines.
 *
 * An own reader, because libdw sorts the rows of all sequences into one list: functions that the linker discarded stay
 * in the table at address 0, and where they reach into real code, their lines mix with the real ones (so addr2line's
 * do). Here a sequence counts as a whole or not at all; and a row takes 12 bytes instead of 40.
 * threads: the owner's.
 */
#ifndef LINE_TABLE_H
#define LINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/elf_image.h"
#include "symbols/strpool.h"

struct line_section {
	const uint8_t *bytes;
	size_t n_bytes;
};

struct line_sections { /* of one file; unpacked */
	struct line_section line, line_strings, strings;
};

#define LINE_NO_FILE UINT32_MAX

struct line_row {
	uint32_t start; /* offset from the module's lowest code address; ends where the next row starts */
	uint32_t file;  /* LINE_NO_FILE: no line here */
	uint32_t line;
};

struct line_table {
	struct line_row *rows;
	size_t n_rows, rows_capacity;
	const char **files; /* of the pool, by the numbers that DW_AT_call_file uses too; "" for what is no file */
	size_t n_files, files_capacity;
};

struct line_place { /* where a module's code can be */
	uint64_t code_low, code_high;
	struct strpool *pool;
};

/* Find the sections. dwarf_begin_elf() must have unpacked them. */
void line_sections_find(struct line_sections *sections, const struct elf_image *image);

/* Read the table at offset.
 * folder:  where the compiler ran, NULL when unknown; relative names are joined to it
 * *table:  zeroed; to be released in any case
 * returns: 0, also when the table is damaged (then what came before the damage); -1 when memory is short */
int line_table_read(struct line_table *table, const struct line_sections *sections, uint64_t offset, const char *folder,
    const struct line_place *place);
void line_table_release(struct line_table *table);

/* Is there a table at offset that holds no row? cost: about 20 ns */
bool line_table_is_empty(const struct line_sections *sections, uint64_t offset);

/* Append a file. returns: 0, -1 when memory is short */
int line_table_add_file(struct line_table *table, const char *folder, const char *name, struct strpool *pool);

/* returns: the row that covers an address (offset from code_low), or NULL */
const struct line_row *line_table_find(const struct line_table *table, uint32_t address);

#endif
