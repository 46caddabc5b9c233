/* From a file with compressed sections to an image that holds them plain: header, sections, their names, the section
 * table. Enters: any ELF file of 64 bits; every size in it is hostile. Leaves: one mapping. */
#include "symbols/unpack.h"

#include <dlfcn.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#define MAX_SECTIONS 64u
#define MAX_BYTES (1ull << 32)
#define MAX_RATIO 1100u /* of zlib; of zstd more, but not in what compilers write */

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

struct section {
	const char *name;
	const uint8_t *from;
	size_t from_bytes, n_bytes, at;
	uint32_t type; /* of ELFCOMPRESS_*; 0: plain */
};

struct sections {
	struct section items[MAX_SECTIONS];
	size_t n, n_compressed;
};

/* What is never asked for. */
static bool is_needed(const char *name)
{
	static const char *const unread[] = {".debug_aranges", ".debug_loc", ".debug_loclists", ".debug_frame",
	    ".debug_macro", ".debug_macinfo", ".debug_names", ".debug_pubnames", ".debug_pubtypes",
	    ".debug_gnu_pubnames", ".debug_gnu_pubtypes"};

	for (size_t i = 0; i < sizeof(unread) / sizeof(*unread); i++)
		if (!strcmp(name, unread[i]))
			return false;
	return !strncmp(name, ".debug_", 7) || !strcmp(name, ".gnu_debugaltlink");
}

/* returns: whether the section's bytes are there, and their size plausible */
static bool describe(struct section *s, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_rawdata(section, NULL);
	Elf64_Chdr chdr;

	if (!data || !data->d_buf || data->d_size != header->sh_size)
		return false;
	s->from = data->d_buf;
	s->from_bytes = s->n_bytes = data->d_size;
	if (!(header->sh_flags & SHF_COMPRESSED))
		return true;
	if (s->from_bytes < sizeof(chdr))
		return false;
	memcpy(&chdr, s->from, sizeof(chdr));
	s->from += sizeof(chdr);
	s->from_bytes -= sizeof(chdr);
	s->n_bytes = chdr.ch_size;
	s->type = chdr.ch_type;
	return (s->type == ELFCOMPRESS_ZLIB || s->type == ELFCOMPRESS_ZSTD) && chdr.ch_size < MAX_BYTES &&
	       chdr.ch_size <= (s->from_bytes + 64) * MAX_RATIO;
}

static int collect(struct sections *list, Elf *elf)
{
	const char *ident = elf_getident(elf, NULL);
	const unsigned own_order = BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
	Elf_Scn *section = NULL;
	size_t names;

	if (!ident || ident[EI_CLASS] != ELFCLASS64 || (unsigned char)ident[EI_DATA] != own_order ||
	    elf_getshdrstrndx(elf, &names))
		return -1;
	while ((section = elf_nextscn(elf, section))) {
		struct section *s = &list->items[list->n];
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS || !header.sh_size)
			continue;
		s->name = elf_strptr(elf, names, header.sh_name);
		if (!s->name || !is_needed(s->name))
			continue;
		if (!describe(s, section, &header) || ++list->n == MAX_SECTIONS)
			return -1;
		list->n_compressed += s->type != 0;
	}
	return list->n_compressed ? 0 : -1;
}

/* libdeflate takes a third of zlib's time. It is used where it is installed, and not required. */
static bool inflate_fast(const struct section *s, uint8_t *to)
{
	static int (*inflate_zlib)(void *, const void *, size_t, void *, size_t, size_t *);
	static void *state;
	static bool was_tried;

	if (!was_tried) {
		void *library = dlopen("libdeflate.so.0", RTLD_NOW | RTLD_LOCAL);
		void *(*make)(void) = NULL;

		was_tried = true;
		if (library) {
			*(void **)&make = dlsym(library, "libdeflate_alloc_decompressor");
			*(void **)&inflate_zlib = dlsym(library, "libdeflate_zlib_decompress");
		}
		state = make && inflate_zlib ? make() : NULL;
	}
	/* Without a place for the size it must be met exactly. */
	return state && inflate_zlib(state, s->from, s->from_bytes, to, s->n_bytes, NULL) == 0;
}

static bool unpack_section(const struct section *s, uint8_t *to)
{
	uLongf n = s->n_bytes;

	switch (s->type) {
	case 0:
		memcpy(to, s->from, s->n_bytes);
		return true;
	case ELFCOMPRESS_ZSTD:
		return ZSTD_decompress(to, s->n_bytes, s->from, s->from_bytes) == s->n_bytes;
	default:
		return inflate_fast(s, to) || (uncompress(to, &n, s->from, s->from_bytes) == Z_OK && n == s->n_bytes);
	}
}

/* Where everything goes: sections, their table, their names. returns: the whole's size */
static size_t lay_out(struct sections *list, size_t *table, size_t *names)
{
	size_t at = sizeof(Elf64_Ehdr);

	for (size_t i = 0; i < list->n; i++) {
		list->items[i].at = at;
		at += (list->items[i].n_bytes + 15) / 16 * 16;
	}
	*table = at;
	*names = at + (list->n + 2) * sizeof(Elf64_Shdr);
	at = *names + 1 + sizeof(".shstrtab");
	for (size_t i = 0; i < list->n; i++)
		at += strlen(list->items[i].name) + 1;
	return at;
}

static void put_table(const struct sections *list, uint8_t *memory, size_t table, size_t names)
{
	Elf64_Shdr *header = (Elf64_Shdr *)(memory + table) + 1;
	char *text = (char *)memory + names;
	size_t at = 1;

	for (size_t i = 0; i < list->n; i++, header++) {
		const struct section *s = &list->items[i];

		*header = (Elf64_Shdr){.sh_name = (uint32_t)at,
		    .sh_type = SHT_PROGBITS,
		    .sh_offset = s->at,
		    .sh_size = s->n_bytes,
		    .sh_addralign = 1};
		strcpy(text + at, s->name);
		at += strlen(s->name) + 1;
	}
	strcpy(text + at, ".shstrtab");
	*header = (Elf64_Shdr){.sh_name = (uint32_t)at,
	    .sh_type = SHT_STRTAB,
	    .sh_offset = names,
	    .sh_size = at + sizeof(".shstrtab"),
	    .sh_addralign = 1};
}

static void put_header(Elf *elf, uint8_t *memory, size_t n_sections, size_t table)
{
	GElf_Ehdr header;

	gelf_getehdr(elf, &header);
	header.e_phoff = 0;
	header.e_phnum = header.e_phentsize = 0;
	header.e_shoff = table;
	header.e_shentsize = sizeof(Elf64_Shdr);
	header.e_shnum = (Elf64_Half)(n_sections + 2);
	header.e_shstrndx = (Elf64_Half)(n_sections + 1);
	memcpy(memory, &header, sizeof(Elf64_Ehdr));
}

int unpack_debug(struct unpacked *u, Elf *elf)
{
	struct sections list = {0};
	size_t table, names;

	memset(u, 0, sizeof(*u));
	if (collect(&list, elf))
		return -1;
	u->n_bytes = lay_out(&list, &table, &names);
	u->memory = mmap(NULL, u->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (u->memory == MAP_FAILED) {
		u->memory = NULL;
		return -1;
	}
	madvise(u->memory, u->n_bytes, MADV_HUGEPAGE);
	for (size_t i = 0; i < list.n; i++)
		if (!unpack_section(&list.items[i], (uint8_t *)u->memory + list.items[i].at))
			goto failed;
	put_table(&list, u->memory, table, names);
	put_header(elf, u->memory, list.n, table);
	u->elf = elf_memory(u->memory, u->n_bytes);
	if (u->elf)
		return 0;
failed:
	unpack_release(u);
	return -1;
}

void unpack_release(struct unpacked *u)
{
	if (u->elf)
		elf_end(u->elf);
	if (u->memory)
		munmap(u->memory, u->n_bytes);
	memset(u, 0, sizeof(*u));
}
