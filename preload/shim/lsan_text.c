/* Finds and calls __lsan_default_suppressions. Enters: the loaded objects and the program's file. Leaves: a text. */
#include "lsan_text.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "objects.h"
#include "sys.h"

#define MAX_NAMES_BYTES (16u << 20) /* of the string table: more would hold the start up */

typedef const char *text_function(void);

static const char name[] = "__lsan_default_suppressions";

static bool find_exported(const struct object *object, void *argument)
{
	void **found = argument;
	*found = object_find(object, name, false);
	return *found != NULL;
}

static bool take_first(const struct object *object, void *argument)
{
	*(struct object *)argument = *object;
	return true;
}

struct file {
	const char *bytes;
	size_t size;
};

static const void *file_at(const struct file *file, uint64_t offset, uint64_t bytes)
{
	return offset <= file->size && bytes <= file->size - offset ? file->bytes + offset : NULL;
}

static const ElfW(Shdr) *
    find_symbol_table(const struct file *file, const ElfW(Ehdr) * header, const ElfW(Shdr) * *names)
{
	const ElfW(Shdr) *sections = file_at(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof(*sections));
	if (!sections || header->e_shentsize != sizeof(*sections))
		return NULL;
	for (unsigned i = 0; i < header->e_shnum; i++) {
		if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum)
			continue;
		*names = &sections[sections[i].sh_link];
		return &sections[i];
	}
	return NULL;
}

/* returns: the function's virtual address in the file, 0 when it has none */
static uint64_t find_in_file(const struct file *file)
{
	const ElfW(Ehdr) *header = file_at(file, 0, sizeof(*header));
	const ElfW(Shdr) *names = NULL;
	if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	const ElfW(Shdr) *table = find_symbol_table(file, header, &names);
	if (!table || names->sh_size > MAX_NAMES_BYTES)
		return 0;
	const char *strings = file_at(file, names->sh_offset, names->sh_size);
	const ElfW(Sym) *symbols = file_at(file, table->sh_offset, table->sh_size);
	const char *found = strings ? memmem(strings, names->sh_size, name, sizeof(name)) : NULL;
	if (!found || !symbols)
		return 0;
	for (size_t i = 0; i < table->sh_size / sizeof(*symbols); i++) {
		const ElfW(Sym) *symbol = &symbols[i];
		if (symbol->st_name == (uint64_t)(found - strings) && symbol->st_shndx != SHN_UNDEF &&
		    ELF64_ST_TYPE(symbol->st_info) == STT_FUNC)
			return symbol->st_value;
	}
	return 0;
}

static void *find_unexported(void)
{
	struct object program;
	struct stat status;
	uint64_t address = 0;
	if (!objects_each(take_first, &program))
		return NULL;
	long fd = SYS4(openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (fstat((int)fd, &status) == 0 && status.st_size > 0) {
		long bytes = SYS6(mmap, NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (!sys_failed(bytes)) {
			struct file file = {(const char *)bytes, (size_t)status.st_size};
			address = find_in_file(&file);
			SYS2(munmap, bytes, status.st_size);
		}
	}
	SYS1(close, fd);
	/* the file may be another one than what runs, if the loader was called with the program as its argument */
	return address && object_contains(&program, program.base + address) ? (void *)(program.base + address) : NULL;
}

const char *lsan_text(void)
{
	void *found = NULL;
	if (!objects_each(find_exported, &found))
		found = find_unexported();
	return found ? ((text_function *)found)() : NULL;
}
