/* The line number programs of DWARF 2 to 5 (DWARF 5, section 6.2). Every byte is hostile: the cursor stops at the end
 * and stays there. */
#include "symbols/line_table.h"

#include "base/array.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOLDERS 65536
#define MAX_FILES 1000000
#define MAX_FORMATS 16

struct cursor {
	const uint8_t *at, *end;
};

static bool cursor_done(const struct cursor *cursor)
{
	return cursor->at >= cursor->end;
}

static const uint8_t *take(struct cursor *cursor, uint64_t n_bytes)
{
	const uint8_t *bytes = cursor->at;

	if (n_bytes > (uint64_t)(cursor->end - cursor->at)) {
		cursor->at = cursor->end;
		return NULL;
	}
	cursor->at += n_bytes;
	return bytes;
}

/* Little-endian, as the files of the machines that Tidemark runs on. */
static uint64_t take_fixed(struct cursor *cursor, unsigned n_bytes)
{
	const uint8_t *bytes = take(cursor, n_bytes);
	uint64_t value = 0;

	for (unsigned i = 0; bytes && i < n_bytes && i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

static uint64_t take_uleb(struct cursor *cursor)
{
	uint64_t value = 0;
	unsigned shift = 0;

	while (!cursor_done(cursor)) {
		uint8_t byte = *cursor->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (!(byte & 0x80))
			break;
	}
	return value;
}

static int64_t take_sleb(struct cursor *cursor)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte = 0;

	while (!cursor_done(cursor)) {
		byte = *cursor->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (!(byte & 0x80))
			break;
	}
	if (shift < 64 && byte & 0x40)
		value |= ~(uint64_t)0 << shift;
	return (int64_t)value;
}

static const char *take_text(struct cursor *cursor)
{
	const uint8_t *end = cursor_done(cursor) ? NULL : memchr(cursor->at, 0, (size_t)(cursor->end - cursor->at));
	const char *text = (const char *)cursor->at;

	if (!end) {
		cursor->at = cursor->end;
		return "";
	}
	cursor->at = end + 1;
	return text;
}

static const char *section_text(const struct line_section *section, uint64_t offset)
{
	if (offset >= section->n_bytes || !memchr(section->bytes + offset, 0, section->n_bytes - offset))
		return "";
	return (const char *)section->bytes + offset;
}

struct program {
	const struct line_sections *sections;
	const struct line_place *place;
	const char *folder;
	struct cursor header, code;
	unsigned version, offset_bytes;
	unsigned min_instruction, line_range, opcode_base;
	int line_base;
	const uint8_t *opcode_lengths; /* of opcode 1 on */
	const char **folders;
	size_t n_folders, folders_capacity;
};

static bool program_open(struct program *program, uint64_t offset)
{
	const struct line_section *section = &program->sections->line;
	struct cursor cursor;
	uint64_t length, header_bytes;

	if (offset >= section->n_bytes)
		return false;
	cursor.at = section->bytes + offset;
	cursor.end = section->bytes + section->n_bytes;
	program->offset_bytes = 4;
	length = take_fixed(&cursor, 4);
	if (length == 0xffffffff) {
		program->offset_bytes = 8;
		length = take_fixed(&cursor, 8);
	}
	if (length < (uint64_t)(cursor.end - cursor.at))
		cursor.end = cursor.at + length;
	program->version = (unsigned)take_fixed(&cursor, 2);
	if (program->version < 2 || program->version > 5)
		return false;
	if (program->version >= 5)
		take(&cursor, 2); /* sizes of addresses and segment selectors */
	header_bytes = take_fixed(&cursor, program->offset_bytes);
	program->code = cursor;
	if (!take(&program->code, header_bytes))
		return false;
	cursor.end = program->code.at;
	program->min_instruction = (unsigned)take_fixed(&cursor, 1);
	if (program->version >= 4)
		take(&cursor, 1); /* operations of an instruction: 1 but on VLIW machines */
	take(&cursor, 1);         /* statement flag */
	program->line_base = (int8_t)take_fixed(&cursor, 1);
	program->line_range = (unsigned)take_fixed(&cursor, 1);
	program->opcode_base = (unsigned)take_fixed(&cursor, 1);
	if (!program->line_range || !program->opcode_base)
		return false;
	program->opcode_lengths = take(&cursor, program->opcode_base - 1);
	program->header = cursor;
	return program->opcode_lengths;
}

static int folder_add(struct program *program, const char *name)
{
	if (program->n_folders >= MAX_FOLDERS)
		return 0;
	if (ARRAY_RESERVE(program->folders, program->folders_capacity, program->n_folders + 1))
		return -1;
	program->folders[program->n_folders++] = name;
	return 0;
}

int line_table_add_file(struct line_table *table, const char *folder, const char *name, struct strpool *pool)
{
	char path[8192];
	const char *kept;
	int length = 0;

	if (name[0] && name[0] != '/' && folder && folder[0])
		length = snprintf(path, sizeof(path), "%s/%s", folder, name);
	kept = strpool_add(pool, length > 0 && (size_t)length < sizeof(path) ? path : name);
	if (!kept || ARRAY_RESERVE(table->files, table->files_capacity, table->n_files + 1))
		return -1;
	table->files[table->n_files++] = kept;
	return 0;
}

static int file_add(struct line_table *table, const struct program *program, const char *name, uint64_t folder_index)
{
	const char *base = program->folder ? program->folder : "";
	const char *folder = folder_index < program->n_folders ? program->folders[folder_index] : "";
	char joined[8192];

	if (table->n_files >= MAX_FILES)
		return 0;
	if (!folder[0])
		folder = base;
	/* A prefix map makes the compiler's own folder relative: that one is not inside itself. */
	if (folder[0] != '/' && base[0] && strcmp(folder, base) &&
	    (size_t)snprintf(joined, sizeof(joined), "%s/%s", base, folder) < sizeof(joined))
		folder = joined;
	return line_table_add_file(table, folder, name, program->place->pool);
}

/* DWARF 2 to 4: folder 0 is the compiler's, file 0 is none. */
static int names_read_old(struct line_table *table, struct program *program)
{
	struct cursor *cursor = &program->header;

	if (folder_add(program, "") || line_table_add_file(table, NULL, "", program->place->pool))
		return -1;
	while (!cursor_done(cursor) && *cursor->at)
		if (folder_add(program, take_text(cursor)))
			return -1;
	take(cursor, 1);
	while (!cursor_done(cursor) && *cursor->at) {
		const char *name = take_text(cursor);
		uint64_t folder = take_uleb(cursor);

		take_uleb(cursor); /* time */
		take_uleb(cursor); /* size */
		if (file_add(table, program, name, folder))
			return -1;
	}
	return 0;
}

struct format {
	uint64_t content, form;
};

static unsigned formats_read(struct cursor *cursor, struct format formats[static MAX_FORMATS])
{
	unsigned n_formats = (unsigned)take_fixed(cursor, 1), kept = 0;

	for (unsigned i = 0; i < n_formats; i++) {
		struct format format = {take_uleb(cursor), take_uleb(cursor)};

		if (kept < MAX_FORMATS)
			formats[kept++] = format;
	}
	return n_formats == kept ? kept : 0;
}

/* returns: whether the form is known; text stays as it is for forms that are none, number for those that are text */
static bool form_read(
    const struct program *program, struct cursor *cursor, uint64_t form, const char **text, uint64_t *number)
{
	switch (form) {
	case DW_FORM_string:
		*text = take_text(cursor);
		return true;
	case DW_FORM_line_strp:
		*text = section_text(&program->sections->line_strings, take_fixed(cursor, program->offset_bytes));
		return true;
	case DW_FORM_strp:
		*text = section_text(&program->sections->strings, take_fixed(cursor, program->offset_bytes));
		return true;
	case DW_FORM_strp_sup:
	case DW_FORM_sec_offset:
		take(cursor, program->offset_bytes);
		return true;
	case DW_FORM_udata:
		*number = take_uleb(cursor);
		return true;
	case DW_FORM_data1:
		*number = take_fixed(cursor, 1);
		return true;
	case DW_FORM_data2:
		*number = take_fixed(cursor, 2);
		return true;
	case DW_FORM_data4:
		*number = take_fixed(cursor, 4);
		return true;
	case DW_FORM_data8:
		*number = take_fixed(cursor, 8);
		return true;
	case DW_FORM_data16:
		take(cursor, 16);
		return true;
	case DW_FORM_block:
		take(cursor, take_uleb(cursor));
		return true;
	case DW_FORM_block1:
		take(cursor, take_fixed(cursor, 1));
		return true;
	default:
		return false;
	}
}

/* One entry of a list of folders or files. returns: false when it cannot be read on */
static bool entry_read(const struct program *program, struct cursor *cursor, const struct format *formats,
    unsigned n_formats, const char **name, uint64_t *folder)
{
	*name = "";
	*folder = 0;
	for (unsigned i = 0; i < n_formats; i++) {
		const char *text = "";
		uint64_t number = 0;

		if (cursor_done(cursor) || !form_read(program, cursor, formats[i].form, &text, &number))
			return false;
		if (formats[i].content == DW_LNCT_path)
			*name = text;
		else if (formats[i].content == DW_LNCT_directory_index)
			*folder = number;
	}
	return n_formats;
}

/* DWARF 5: both lists describe themselves and begin with the compiler's folder and the unit's own file. */
static int names_read_new(struct line_table *table, struct program *program)
{
	struct cursor *cursor = &program->header;
	struct format formats[MAX_FORMATS];
	unsigned n_formats = formats_read(cursor, formats);
	const char *name;
	uint64_t folder, n = take_uleb(cursor);

	for (uint64_t i = 0; i < n && entry_read(program, cursor, formats, n_formats, &name, &folder); i++)
		if (folder_add(program, name))
			return -1;
	n_formats = formats_read(cursor, formats);
	n = take_uleb(cursor);
	for (uint64_t i = 0; i < n && entry_read(program, cursor, formats, n_formats, &name, &folder); i++)
		if (file_add(table, program, name, folder))
			return -1;
	return 0;
}

struct row {
	uint64_t address;
	uint32_t file, line;
};

struct sequence {
	size_t first_row, n_rows; /* without its end */
	uint64_t start, end;
};

struct rows { /* of all good sequences, as they come */
	struct row *rows;
	size_t n_rows, capacity;
	struct sequence *sequences;
	size_t n_sequences, sequences_capacity;
	size_t first_row; /* of the sequence that is being read */
};

static int row_append(struct rows *rows, uint64_t address, uint64_t file, uint64_t line)
{
	struct row *row = rows->n_rows > rows->first_row ? &rows->rows[rows->n_rows - 1] : NULL;

	if (row && address < row->address)
		return 0;                      /* addresses of a sequence never fall */
	if (!row || row->address != address) { /* of rows at one address the last counts: the others cover nothing */
		if (ARRAY_RESERVE(rows->rows, rows->capacity, rows->n_rows + 1))
			return -1;
		row = &rows->rows[rows->n_rows++];
		row->address = address;
	}
	row->file = file < LINE_NO_FILE ? (uint32_t)file : LINE_NO_FILE;
	row->line = line <= INT32_MAX ? (uint32_t)line : 0;
	return 0;
}

/* Keep or drop the sequence that ends at `end`. Discarded ones stand at 0 (ld), 1 or the top (lld). */
static int sequence_finish(struct rows *rows, uint64_t end, const struct line_place *place)
{
	size_t n_rows = rows->n_rows - rows->first_row;
	struct sequence *sequence;
	uint64_t start;

	if (!n_rows)
		return 0;
	start = rows->rows[rows->first_row].address;
	if (start < place->code_low || start >= end || end > place->code_high || end - place->code_low >= UINT32_MAX) {
		rows->n_rows = rows->first_row;
		return 0;
	}
	if (ARRAY_RESERVE(rows->sequences, rows->sequences_capacity, rows->n_sequences + 1))
		return -1;
	sequence = &rows->sequences[rows->n_sequences++];
	sequence->first_row = rows->first_row;
	sequence->n_rows = n_rows;
	sequence->start = start;
	sequence->end = end;
	rows->first_row = rows->n_rows;
	return 0;
}

struct machine {
	uint64_t address, file, line; /* a forged line wraps around */
};

static const struct machine machine_start = {0, 1, 1};

static int extended_run(struct program *program, struct machine *machine, struct rows *rows)
{
	uint64_t length = take_uleb(&program->code);
	struct cursor cursor = program->code;

	if (!take(&program->code, length) || !length)
		return 0;
	cursor.end = program->code.at;
	switch (take_fixed(&cursor, 1)) {
	case DW_LNE_end_sequence:
		if (sequence_finish(rows, machine->address, program->place))
			return -1;
		*machine = machine_start;
		return 0;
	case DW_LNE_set_address:
		machine->address = take_fixed(&cursor, (unsigned)(length - 1 < 8 ? length - 1 : 8));
		return 0;
	default:
		return 0;
	}
}

static int standard_run(struct program *program, unsigned opcode, struct machine *machine, struct rows *rows)
{
	struct cursor *cursor = &program->code;

	switch (opcode) {
	case DW_LNS_copy:
		return row_append(rows, machine->address, machine->file, machine->line);
	case DW_LNS_advance_pc:
		machine->address += take_uleb(cursor) * program->min_instruction;
		return 0;
	case DW_LNS_advance_line:
		machine->line += (uint64_t)take_sleb(cursor);
		return 0;
	case DW_LNS_set_file:
		machine->file = take_uleb(cursor);
		return 0;
	case DW_LNS_const_add_pc:
		machine->address +=
		    (uint64_t)((255 - program->opcode_base) / program->line_range) * program->min_instruction;
		return 0;
	case DW_LNS_fixed_advance_pc:
		machine->address += take_fixed(cursor, 2);
		return 0;
	default: /* no effect on address, file or line; so it is with those that may yet be invented */
		for (unsigned i = 0; i < program->opcode_lengths[opcode - 1]; i++)
			take_uleb(cursor);
		return 0;
	}
}

static int program_run(struct program *program, struct rows *rows)
{
	struct machine machine = machine_start;
	int result = 0;

	while (!cursor_done(&program->code) && !result) {
		unsigned opcode = *program->code.at++;

		if (opcode >= program->opcode_base) {
			unsigned adjusted = opcode - program->opcode_base;

			machine.address += (uint64_t)(adjusted / program->line_range) * program->min_instruction;
			machine.line += (uint64_t)(int64_t)(program->line_base + (int)(adjusted % program->line_range));
			result = row_append(rows, machine.address, machine.file, machine.line);
		} else if (opcode) {
			result = standard_run(program, opcode, &machine, rows);
		} else {
			result = extended_run(program, &machine, rows);
		}
	}
	return result;
}

static int sequence_compare(const void *a, const void *b)
{
	const struct sequence *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->first_row < y->first_row ? -1 : x->first_row > y->first_row;
}

static int table_append(struct line_table *table, uint32_t start, uint32_t file, uint32_t line)
{
	struct line_row *last = table->n_rows ? &table->rows[table->n_rows - 1] : NULL;

	if (last && last->file == file && last->line == line)
		return 0;
	if (!last || last->start != start) {
		if (ARRAY_RESERVE(table->rows, table->rows_capacity, table->n_rows + 1))
			return -1;
		last = &table->rows[table->n_rows++];
		last->start = start;
	}
	last->file = file;
	last->line = line;
	return 0;
}

/* Sequences in the order of their addresses. Where two overlap (functions folded into one), the later start wins. */
static int table_fill(struct line_table *table, struct rows *rows, uint64_t code_low)
{
	if (rows->n_sequences)
		qsort(rows->sequences, rows->n_sequences, sizeof(*rows->sequences), sequence_compare);
	for (size_t i = 0; i < rows->n_sequences; i++) {
		const struct sequence *sequence = &rows->sequences[i];
		uint64_t limit = i + 1 < rows->n_sequences ? rows->sequences[i + 1].start : UINT64_MAX;

		for (size_t k = 0; k < sequence->n_rows; k++) {
			const struct row *row = &rows->rows[sequence->first_row + k];

			if (row->address >= limit || row->address >= sequence->end)
				break;
			if (table_append(table, (uint32_t)(row->address - code_low), row->file, row->line))
				return -1;
		}
		if (sequence->end < limit && table_append(table, (uint32_t)(sequence->end - code_low), LINE_NO_FILE, 0))
			return -1;
	}
	return 0;
}

int line_table_read(struct line_table *table, const struct line_sections *sections, uint64_t offset, const char *folder,
    const struct line_place *place)
{
	struct program program = {.sections = sections, .place = place, .folder = folder};
	struct rows rows = {0};
	int result = 0;

	if (program_open(&program, offset)) {
		result = program.version >= 5 ? names_read_new(table, &program) : names_read_old(table, &program);
		if (!result)
			result = program_run(&program, &rows);
		if (!result)
			result = table_fill(table, &rows, place->code_low);
	}
	free(program.folders);
	free(rows.rows);
	free(rows.sequences);
	return result;
}

bool line_table_is_empty(const struct line_sections *sections, uint64_t offset)
{
	struct program program = {.sections = sections};

	return program_open(&program, offset) && cursor_done(&program.code);
}

void line_table_release(struct line_table *table)
{
	free(table->rows);
	free(table->files);
	memset(table, 0, sizeof(*table));
}

const struct line_row *line_table_find(const struct line_table *table, uint32_t address)
{
	size_t n = ARRAY_LEADING(table->n_rows, i, table->rows[i].start <= address);

	return n && table->rows[n - 1].file != LINE_NO_FILE ? &table->rows[n - 1] : NULL;
}

static void section_find(struct line_section *section, const struct elf_image *image, const char *name)
{
	char packed[32];
	Elf_Scn *found = elf_image_section(image, name);
	Elf_Data *data;
	GElf_Shdr header;

	snprintf(packed, sizeof(packed), ".z%s", name + 1);
	if (!found)
		found = elf_image_section(image, packed);
	if (!found || !gelf_getshdr(found, &header) || header.sh_type == SHT_NOBITS || header.sh_flags & SHF_COMPRESSED)
		return;
	data = elf_getdata(found, NULL);
	if (data && data->d_buf) {
		section->bytes = data->d_buf;
		section->n_bytes = data->d_size;
	}
}

void line_sections_find(struct line_sections *sections, const struct elf_image *image)
{
	const char *ident = elf_getident(image->elf, NULL);

	memset(sections, 0, sizeof(*sections));
	if (!ident || ident[EI_DATA] != ELFDATA2LSB)
		return;
	section_find(&sections->line, image, ".debug_line");
	section_find(&sections->line_strings, image, ".debug_line_str");
	section_find(&sections->strings, image, ".debug_str");
}
