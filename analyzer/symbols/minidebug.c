/* .gnu_debugdata through libdwfl, which unpacks it when its own build knows LZMA. Only files that have the section get
 * here; the rest of the symbol code uses libelf and libdw directly. */
#include "symbols/minidebug.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int no_debug_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base, const char *file,
    const char *link, GElf_Word crc, char **found)
{
	(void)module, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)found;
	return -1;
}

static int no_elf_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base, char **found, Elf **elf)
{
	(void)module, (void)data, (void)name, (void)base, (void)found, (void)elf;
	return -1;
}

/* libdwfl wants a descriptor; the path may lead to another file by now. */
static int same_file(const struct elf_image *image)
{
	int fd = image->path ? open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct stat status;

	if (fd >= 0 && !fstat(fd, &status) && status.st_dev == image->device && status.st_ino == image->inode)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int minidebug_read(
    const struct elf_image *image, int (*add)(void *arg, const char *name, const GElf_Sym *symbol), void *arg)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = no_elf_file, .find_debuginfo = no_debug_file};
	int fd = same_file(image);
	Dwfl *dwfl = fd < 0 ? NULL : dwfl_begin(&callbacks);
	Dwfl_Module *module = NULL;
	int n_symbols = 0, result = 0;

	if (dwfl) {
		dwfl_report_begin(dwfl);
		module =
		    dwfl_report_elf(dwfl, "image", image->path, fd, 0, true); /* base 0: addresses stay the file's */
		dwfl_report_end(dwfl, NULL, NULL);
	}
	if (module) {
		fd = -1; /* the module's from here on */
		n_symbols = dwfl_module_getsymtab(module);
	}
	for (int i = 1; i < n_symbols && !result; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		const char *name = dwfl_module_getsym_info(module, i, &symbol, &address, NULL, NULL, NULL);

		if (!name)
			continue;
		symbol.st_value = address;
		result = add(arg, name, &symbol);
	}
	if (dwfl)
		dwfl_end(dwfl);
	if (fd >= 0)
		close(fd);
	return result;
}
