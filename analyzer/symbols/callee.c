/* What a call instruction calls: see callee.h. The file is hostile until checked: every address is looked up in the
 * segments, every index goes through libelf. */
#include "symbols/callee.h"

#include <stdlib.h>
#include <string.h>

#include "symbols/elf_image.h"

struct callee_module {
	struct elf_image image;
};

struct callee_module *callee_open(const char *path, const uint8_t *build_id, size_t build_id_bytes)
{
	struct callee_module *module = calloc(1, sizeof(*module));
	if (!module || elf_image_open(&module->image, path) < 0) {
		free(module);
		return NULL;
	}
	GElf_Ehdr header;
	if (build_id_bytes && elf_image_has_id(&module->image, build_id, build_id_bytes) &&
	    gelf_getehdr(module->image.elf, &header) && header.e_machine == EM_X86_64)
		return module;
	callee_close(module);
	return NULL;
}

void callee_close(struct callee_module *module)
{
	if (!module)
		return;
	elf_image_close(&module->image);
	free(module);
}

/* The n bytes at an address, from the segment that is loaded there; NULL when they are not all in one. */
static const uint8_t *bytes_at(const struct callee_module *module, uint64_t address, size_t n)
{
	size_t n_segments = 0, file_bytes = 0;
	const char *file = elf_rawfile(module->image.elf, &file_bytes);
	if (!file || elf_getphdrnum(module->image.elf, &n_segments) < 0)
		return NULL;
	for (size_t i = 0; i < n_segments; i++) {
		GElf_Phdr segment;
		if (!gelf_getphdr(module->image.elf, (int)i, &segment) || segment.p_type != PT_LOAD)
			continue;
		uint64_t skip = address - segment.p_vaddr;
		if (address < segment.p_vaddr || skip >= segment.p_filesz || segment.p_filesz - skip < n)
			continue;
		if (segment.p_offset > file_bytes || skip > file_bytes - segment.p_offset ||
		    n > file_bytes - segment.p_offset - skip)
			return NULL;
		return (const uint8_t *)file + segment.p_offset + skip;
	}
	return NULL;
}

static uint64_t relative(uint64_t next, const uint8_t *displacement)
{
	int32_t value;
	memcpy(&value, displacement, sizeof(value));
	return next + (uint64_t)(int64_t)value;
}

/* The GOT slot that a PLT stub jumps through: [endbr64] [bnd] jmp *slot(%rip). 0: that is no stub */
static uint64_t stub_slot(const struct callee_module *module, uint64_t address)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const uint8_t *code = bytes_at(module, address, 16);
	if (!code)
		return 0;
	size_t at = memcmp(code, endbr64, sizeof(endbr64)) ? 0 : sizeof(endbr64);
	at += code[at] == 0xf2;
	if (code[at] != 0xff || code[at + 1] != 0x25)
		return 0;
	return relative(address + at + 6, code + at + 2);
}

/* The GOT slot that the call before return_address goes through; 0: none. */
static uint64_t call_slot(const struct callee_module *module, uint64_t return_address)
{
	const uint8_t *code = bytes_at(module, return_address - 6, 6);
	if (!code)
		return 0;
	if (code[0] == 0xff && code[1] == 0x15) /* call *slot(%rip) */
		return relative(return_address, code + 2);
	return code[1] == 0xe8 ? stub_slot(module, relative(return_address, code + 2)) : 0;
}

/* Whether version `index` of the symbol table is one of glibc's. */
static bool is_glibc_version(Elf *elf, unsigned index)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		Elf_Data *data = NULL;
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_GNU_verneed ||
		    !(data = elf_getdata(section, NULL)))
			continue;
		GElf_Verneed need;
		size_t at = 0;
		for (unsigned n = 0; n < 1024 && gelf_getverneed(data, (int)at, &need); n++) {
			GElf_Vernaux entry;
			size_t entry_at = at + need.vn_aux;
			for (unsigned i = 0; i < need.vn_cnt && gelf_getvernaux(data, (int)entry_at, &entry); i++) {
				const char *name = elf_strptr(elf, header.sh_link, entry.vna_name);
				if (entry.vna_other == index && name && !strncmp(name, "GLIBC_", 6))
					return true;
				if (!entry.vna_next)
					break;
				entry_at += entry.vna_next;
			}
			if (!need.vn_next)
				break;
			at += need.vn_next;
		}
	}
	return false;
}

/* The version index of a dynamic symbol; 0: none. */
static unsigned symbol_version(Elf *elf, size_t symbol)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		GElf_Versym version;
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_GNU_versym)
			return gelf_getversym(elf_getdata(section, NULL), (int)symbol, &version) ? version & 0x7fffu
			                                                                         : 0;
	}
	return 0;
}

static const char *symbol_name(Elf *elf, size_t table, size_t index)
{
	Elf_Scn *section = elf_getscn(elf, table);
	GElf_Shdr header;
	GElf_Sym symbol;
	if (!section || !gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM ||
	    !gelf_getsym(elf_getdata(section, NULL), (int)index, &symbol))
		return NULL;
	const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
	return name && *name && is_glibc_version(elf, symbol_version(elf, index)) ? name : NULL;
}

const char *callee_name(const struct callee_module *module, uint64_t return_address)
{
	Elf *elf = module->image.elf;
	uint64_t slot = call_slot(module, return_address);
	Elf_Scn *section = NULL;
	while (slot && (section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA || !header.sh_entsize)
			continue;
		Elf_Data *data = elf_getdata(section, NULL);
		GElf_Rela relocation;
		for (size_t i = 0;
		     data && i < header.sh_size / header.sh_entsize && gelf_getrela(data, (int)i, &relocation); i++)
			if (relocation.r_offset == slot)
				return symbol_name(elf, header.sh_link, GELF_R_SYM(relocation.r_info));
	}
	return NULL;
}
