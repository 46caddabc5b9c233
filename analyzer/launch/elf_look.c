/* A look at an ELF executable: see elf_look.h. Called by target.c. */
#include "launch/elf_look.h"

#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>

/* What marks a program whose malloc belongs to a sanitizer: the shared runtime it needs, or a symbol of the runtime. */
static const struct sanitizer {
	const char *library, *clang_library, *symbol, *text;
} sanitizers[] = {
    {"libasan.so", "libclang_rt.asan", "__asan_init", "built with AddressSanitizer"},
    {"libtsan.so", "libclang_rt.tsan", "__tsan_init", "built with ThreadSanitizer"},
    {"libmsan.so", "libclang_rt.msan", "__msan_init", "built with MemorySanitizer"},
    {"libhwasan.so", "libclang_rt.hwasan", "__hwasan_init", "built with HWAddressSanitizer"},
    {"liblsan.so", "libclang_rt.lsan", "__lsan_init", "built with LeakSanitizer"},
};
#define N_SANITIZERS (sizeof(sanitizers) / sizeof(sanitizers[0]))

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static void read_interpreter(struct elf_look *look, Elf *elf, const GElf_Phdr *segment)
{
	size_t file_bytes;
	const char *raw = elf_rawfile(elf, &file_bytes);
	if (!raw || segment->p_offset >= file_bytes || segment->p_filesz > file_bytes - segment->p_offset)
		return;
	size_t n = strnlen(raw + segment->p_offset, segment->p_filesz);
	if (n < sizeof(look->interpreter)) {
		memcpy(look->interpreter, raw + segment->p_offset, n);
		look->interpreter[n] = '\0';
	}
}

static void look_at_segments(struct elf_look *look, Elf *elf)
{
	size_t n;
	if (elf_getphdrnum(elf, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr segment;
		if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_INTERP)
			read_interpreter(look, elf, &segment);
	}
}

/* Libraries needed, and the loader itself: `ld.so PROGRAM` preloads as well as any program does. */
static void look_at_dynamic(struct elf_look *look, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	if (!data || !header->sh_entsize)
		return;
	for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
		GElf_Dyn entry;
		if (!gelf_getdyn(data, (int)i, &entry) || (entry.d_tag != DT_NEEDED && entry.d_tag != DT_SONAME))
			continue;
		const char *name = elf_strptr(elf, header->sh_link, entry.d_un.d_val);
		if (!name)
			continue;
		if (entry.d_tag == DT_SONAME && starts_with(name, "ld-linux") && look->kind == ELF_LOOK_STATIC)
			look->kind = ELF_LOOK_DYNAMIC;
		for (size_t s = 0; entry.d_tag == DT_NEEDED && s < N_SANITIZERS; s++)
			if (starts_with(name, sanitizers[s].library) ||
			    starts_with(name, sanitizers[s].clang_library)) {
				look->kind = ELF_LOOK_SANITIZED;
				look->text = sanitizers[s].text;
			}
	}
}

struct malloc_seen {
	bool imported, exported, inside;
};

static void look_at_symbol(
    struct elf_look *look, struct malloc_seen *seen, const char *name, const GElf_Sym *symbol, bool dynamic)
{
	bool defined = symbol->st_shndx != SHN_UNDEF;
	if (name[0] == 'm' && !strcmp(name, "malloc")) {
		if (dynamic && !defined)
			seen->imported = true;
		else if (dynamic)
			seen->exported = true;
		else if (defined && GELF_ST_TYPE(symbol->st_info) == STT_FUNC)
			seen->inside = true;
	}
	if (name[0] != '_' || look->kind != ELF_LOOK_DYNAMIC)
		return;
	for (size_t s = 0; s < N_SANITIZERS; s++)
		if (!strcmp(name, sanitizers[s].symbol)) {
			look->kind = ELF_LOOK_SANITIZED;
			look->text = sanitizers[s].text;
		}
}

static void look_at_symbols(
    struct elf_look *look, struct malloc_seen *seen, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	if (!data || !header->sh_entsize)
		return;
	for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
		GElf_Sym symbol;
		if (!gelf_getsym(data, (int)i, &symbol))
			continue;
		const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (name)
			look_at_symbol(look, seen, name, &symbol, header->sh_type == SHT_DYNSYM);
	}
}

static void look_at_sections(struct elf_look *look, struct malloc_seen *seen, Elf *elf, GElf_Word type)
{
	for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
		GElf_Shdr header;
		if (!gelf_getshdr(section, &header) || header.sh_type != type)
			continue;
		if (type == SHT_DYNAMIC)
			look_at_dynamic(look, elf, section, &header);
		else
			look_at_symbols(look, seen, elf, section, &header);
	}
}

static void look_at_malloc(struct elf_look *look, Elf *elf)
{
	struct malloc_seen seen = {false, false, false};
	look_at_sections(look, &seen, elf, SHT_DYNSYM);
	/* A malloc that is not exported still serves the program's own calls, unless it imports another. */
	if (!seen.imported && !seen.exported)
		look_at_sections(look, &seen, elf, SHT_SYMTAB);
	if (look->kind == ELF_LOOK_DYNAMIC && (seen.exported || (seen.inside && !seen.imported)))
		look->kind = ELF_LOOK_OWN_MALLOC;
}

static bool is_foreign(struct elf_look *look, Elf *elf)
{
	GElf_Ehdr header;
	look->foreign = true;
	if (gelf_getclass(elf) != ELFCLASS64)
		look->text = "a 32-bit program";
	else if (!gelf_getehdr(elf, &header) || header.e_machine != ELF_LOOK_MACHINE)
		look->text = "built for another architecture";
	else
		look->foreign = false;
	return look->foreign;
}

static void look_at(struct elf_look *look, Elf *elf)
{
	if (is_foreign(look, elf))
		return;
	look_at_segments(look, elf);
	const char *slash = strrchr(look->interpreter, '/');
	if (!look->interpreter[0])
		look->kind = ELF_LOOK_STATIC;
	else if (starts_with(slash ? slash + 1 : look->interpreter, "ld-musl"))
		look->kind = ELF_LOOK_MUSL;
	look_at_sections(look, NULL, elf, SHT_DYNAMIC);
	if (look->kind == ELF_LOOK_DYNAMIC)
		look_at_malloc(look, elf);
}

bool elf_look(struct elf_look *look, int fd)
{
	memset(look, 0, sizeof(*look));
	look->text = "";
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf)
		return false;
	bool is_elf = elf_kind(elf) == ELF_K_ELF;
	if (is_elf)
		look_at(look, elf);
	elf_end(elf);
	return is_elf;
}
