/* Symbol tables sorted by address. Enters: ELF images. Leaves: the best name for an address, or none. */
#include "symbols/symtab.h"

#include "base/array.h"
#include "symbols/mangled.h"
#include "symbols/minidebug.h"

#include <stdlib.h>
#include <string.h>

struct symtab_entry {
	uint64_t start, end;  /* end: of a label without a size, up to which it may reach (set by symtab_finish) */
	uint64_t max_end;     /* largest end of this and all entries before it */
	const char *name;     /* as in the table */
	const char *readable; /* made when first asked for */
	uint32_t section;
	uint8_t rank; /* lower is better */
	bool label;   /* had no size */
};

void symtab_init(struct symtab *table)
{
	memset(table, 0, sizeof(*table));
}

void symtab_release(struct symtab *table)
{
	for (size_t i = 0; i < table->n_owned; i++)
		free(table->owned[i]);
	free(table->owned);
	free(table->entries);
	symtab_init(table);
}

/* Aliases: what a programmer writes comes first. strdup is weak, __strdup global: underscores outweigh binding. */
static uint8_t symbol_rank(const char *name, const GElf_Sym *symbol)
{
	unsigned underscores = 0, rank;

	if (name[0] == '_' && name[1] != 'Z' && name[1] != 'R' && name[1] != 'D')
		underscores = name[1] == '_' ? 2 : 1;
	rank = GELF_ST_BIND(symbol->st_info) == STB_LOCAL ? 100 : 0;
	rank += GELF_ST_TYPE(symbol->st_info) == STT_NOTYPE ? 50 : 0;
	return (uint8_t)(rank + underscores * 10 + (GELF_ST_BIND(symbol->st_info) == STB_WEAK));
}

static bool symbol_wanted(const char *name, const GElf_Sym *symbol)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info);

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS || symbol->st_shndx == SHN_COMMON)
		return false;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	return name && name[0] && name[0] != '$' && name[0] != '.' && symbol->st_value;
}

struct sections {       /* which are code, and where they end */
	uint64_t *ends; /* 0: not code */
	size_t n;
};

static int sections_read(struct sections *sections, Elf *elf)
{
	Elf_Scn *section = NULL;

	if (elf_getshdrnum(elf, &sections->n) || !sections->n)
		return -1;
	sections->ends = calloc(sections->n, sizeof(*sections->ends));
	if (!sections->ends)
		return -1;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		size_t index = elf_ndxscn(section);

		if (index < sections->n && gelf_getshdr(section, &header) && header.sh_flags & SHF_EXECINSTR)
			sections->ends[index] = header.sh_addr + header.sh_size;
	}
	return 0;
}

static int symbol_add(struct symtab *table, const struct sections *sections, const char *name, const GElf_Sym *symbol,
    size_t section, bool full_table)
{
	struct symtab_entry *entry;

	if (!symbol_wanted(name, symbol) || section >= sections->n || !sections->ends[section])
		return 0;
	if (!symbol->st_size && (!full_table || symbol->st_value >= sections->ends[section]))
		return 0; /* in a stripped file the next label may be missing: it could reach anywhere */
	if (symbol->st_size > UINT64_MAX - symbol->st_value)
		return 0;
	if (ARRAY_RESERVE(table->entries, table->capacity, table->n_entries + 1))
		return -1;
	entry = &table->entries[table->n_entries++];
	entry->start = symbol->st_value;
	entry->label = !symbol->st_size;
	entry->end = entry->label ? sections->ends[section] : symbol->st_value + symbol->st_size;
	entry->name = name;
	entry->readable = NULL;
	entry->section = (uint32_t)section;
	entry->rank = symbol_rank(name, symbol);
	return 0;
}

static int table_add(struct symtab *table, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	Elf_Data *extended = NULL;
	struct sections sections = {0};
	int index_section = elf_scnshndx(section), result = 0;
	size_t n_symbols = data && header->sh_entsize ? data->d_size / gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT) : 0;

	if (!n_symbols || sections_read(&sections, elf))
		return 0;
	if (index_section > 0)
		extended = elf_getdata(elf_getscn(elf, (size_t)index_section), NULL);
	for (size_t i = 1; i < n_symbols && i < INT32_MAX && !result; i++) {
		GElf_Sym symbol;
		Elf32_Word where = 0;

		if (!gelf_getsymshndx(data, extended, (int)i, &symbol, &where))
			break;
		if (symbol.st_shndx != SHN_XINDEX)
			where = symbol.st_shndx;
		result = symbol_add(table, &sections, elf_strptr(elf, header->sh_link, symbol.st_name), &symbol, where,
		    header->sh_type == SHT_SYMTAB);
	}
	free(sections.ends);
	return result;
}

/* 1: a table of that type was there. */
static int tables_add(struct symtab *table, Elf *elf, uint32_t type)
{
	Elf_Scn *section = NULL;
	int found = 0;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_type != type)
			continue;
		found = 1;
		if (table_add(table, elf, section, &header))
			return -1;
	}
	return found;
}

static int minidebug_add(void *arg, const char *name, const GElf_Sym *symbol)
{
	struct symtab *table = arg;
	uint64_t end = UINT64_MAX;
	struct sections one = {&end, 1};
	char *copy;

	if (!symbol->st_size || !symbol_wanted(name, symbol))
		return 0;
	copy = strdup(name);
	if (!copy || ARRAY_RESERVE(table->owned, table->owned_capacity, table->n_owned + 1)) {
		free(copy);
		return -1;
	}
	table->owned[table->n_owned++] = copy;
	return symbol_add(table, &one, copy, symbol, 0, false);
}

int symtab_add_image(struct symtab *table, const struct elf_image *image)
{
	int found = tables_add(table, image->elf, SHT_SYMTAB);

	if (found > 0)
		table->is_full = true;
	if (found)
		return found < 0 ? -1 : 0;
	if (tables_add(table, image->elf, SHT_DYNSYM) < 0)
		return -1;
	return elf_image_section(image, ".gnu_debugdata") ? minidebug_read(image, minidebug_add, table) : 0;
}

bool symtab_is_full(const struct symtab *table)
{
	return table->is_full;
}

static int entry_compare(const void *a, const void *b)
{
	const struct symtab_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->label != y->label)
		return x->label - y->label;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	return strcmp(x->name, y->name);
}

void symtab_finish(struct symtab *table)
{
	struct symtab_entry *entries = table->entries;
	uint64_t max_end = 0, next = UINT64_MAX;

	if (!table->n_entries)
		return;
	qsort(entries, table->n_entries, sizeof(*entries), entry_compare);
	for (size_t i = table->n_entries; i-- > 0;) {
		if (i + 1 < table->n_entries && entries[i + 1].start != entries[i].start)
			next = entries[i + 1].start;
		if (entries[i].label && next < entries[i].end)
			entries[i].end = next;
	}
	for (size_t i = 0; i < table->n_entries; i++) {
		if (entries[i].end > max_end)
			max_end = entries[i].end;
		entries[i].max_end = max_end;
	}
}

static const char *entry_name(struct symtab_entry *entry, struct strpool *pool)
{
	if (!entry->readable)
		entry->readable = mangled_symbol(entry->name, pool);
	return entry->readable;
}

/* The first entry that starts after address. */
static size_t entry_after(const struct symtab *table, uint64_t address)
{
	return ARRAY_LEADING(table->n_entries, i, table->entries[i].start <= address);
}

static struct symtab_entry *entry_at(const struct symtab *table, uint64_t address)
{
	struct symtab_entry *best = NULL;

	for (size_t i = entry_after(table, address); i-- > 0 && table->entries[i].max_end > address;) {
		struct symtab_entry *entry = &table->entries[i];

		if (best && entry->start < best->start && !best->label)
			break;
		if (entry->end <= address)
			continue;
		/* Going back: a later start is the inner one, a sized function beats any label, ranks are in order. */
		if (!best || (best->label && !entry->label) ||
		    (entry->start == best->start && entry->label == best->label))
			best = entry;
	}
	return best;
}

bool symtab_has_code(const struct symtab *table, uint64_t address)
{
	return !table->is_full || entry_at(table, address);
}

const char *symtab_find(struct symtab *table, uint64_t address, struct strpool *pool)
{
	struct symtab_entry *entry = entry_at(table, address);

	return entry ? entry_name(entry, pool) : NULL;
}

const char *symtab_find_start(struct symtab *table, uint64_t address, struct strpool *pool)
{
	size_t i = entry_after(table, address);

	if (!i || table->entries[i - 1].start != address)
		return NULL;
	while (i > 1 && table->entries[i - 2].start == address)
		i--;
	return entry_name(&table->entries[i - 1], pool);
}

/* The GOT slot that the code of a PLT slot jumps through: jmp *disp32(%rip) is ff 25 disp32. */
static uint64_t plt_target(const uint8_t *code, size_t length, uint64_t start)
{
	for (size_t i = 0; i + 6 <= length; i++) {
		int32_t displacement;

		if (code[i] != 0xff || code[i + 1] != 0x25)
			continue;
		memcpy(&displacement, code + i + 2, 4);
		return start + i + 6 + (uint64_t)(int64_t)displacement;
	}
	return 0;
}

static uint64_t plt_got_slot(Elf *elf, uint64_t address)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return 0;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		Elf_Data *data;
		const char *name;
		uint64_t slot_bytes, start;

		if (!gelf_getshdr(section, &header) || address - header.sh_addr >= header.sh_size)
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (!name || strncmp(name, ".plt", 4) || header.sh_type == SHT_NOBITS)
			continue;
		data = elf_getdata(section, NULL);
		slot_bytes = !strcmp(name, ".plt.got") && header.sh_entsize == 8 ? 8 : 16;
		start = (address - header.sh_addr) / slot_bytes * slot_bytes;
		if (!data || !data->d_buf || start >= data->d_size)
			return 0;
		if (slot_bytes > data->d_size - start)
			slot_bytes = data->d_size - start;
		return plt_target((uint8_t *)data->d_buf + start, slot_bytes, header.sh_addr + start);
	}
	return 0;
}

/* The name of what the dynamic linker puts into a GOT slot. */
static const char *got_name(struct symtab *table, Elf *elf, uint64_t slot, struct strpool *pool)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header, symbols;
		Elf_Data *data, *symbol_data;
		GElf_Rela relocation;
		GElf_Sym symbol;
		Elf_Scn *symbol_section;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA || !(header.sh_flags & SHF_ALLOC))
			continue;
		data = elf_getdata(section, NULL);
		symbol_section = elf_getscn(elf, header.sh_link);
		symbol_data = symbol_section ? elf_getdata(symbol_section, NULL) : NULL;
		for (int i = 0; data && gelf_getrela(data, i, &relocation); i++) {
			if (relocation.r_offset != slot)
				continue;
			if (GELF_R_TYPE(relocation.r_info) == R_X86_64_IRELATIVE)
				return symtab_find_start(table, (uint64_t)relocation.r_addend, pool);
			if (!symbol_data || !gelf_getshdr(symbol_section, &symbols) ||
			    !gelf_getsym(symbol_data, (int)GELF_R_SYM(relocation.r_info), &symbol))
				return NULL;
			return elf_strptr(elf, symbols.sh_link, symbol.st_name);
		}
	}
	return NULL;
}

const char *symtab_find_plt(struct symtab *table, const struct elf_image *image, uint64_t address, struct strpool *pool)
{
	GElf_Ehdr header;
	uint64_t slot;
	const char *name;
	char text[512];

	if (!image->elf || !gelf_getehdr(image->elf, &header) || header.e_machine != EM_X86_64)
		return NULL;
	slot = plt_got_slot(image->elf, address);
	name = slot ? got_name(table, image->elf, slot, pool) : NULL;
	if (name)
		name = mangled_symbol(name, pool);
	if (!name || !name[0] || strlen(name) > sizeof(text) - 8)
		return NULL;
	memcpy(text, name, strlen(name));
	memcpy(text + strlen(name), "@plt", 5);
	return strpool_add(pool, text);
}
