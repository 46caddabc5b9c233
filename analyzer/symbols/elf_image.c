/* ELF files by path, descriptor or memory. Enters: anything. Leaves: a mapped image with its build-id and code range.
 * The descriptor is closed at once: a session may have more modules than descriptors. */
#include "symbols/elf_image.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

static void image_describe(struct elf_image *image)
{
	const void *id = NULL;
	ssize_t id_bytes = dwelf_elf_gnu_build_id(image->elf, &id);
	size_t n_headers = 0;

	if (id_bytes > 0) {
		image->build_id = id;
		image->build_id_bytes = (size_t)id_bytes;
	}
	if (elf_getphdrnum(image->elf, &n_headers))
		return;
	for (size_t i = 0; i < n_headers && i < 4096; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(image->elf, (int)i, &header) || header.p_type != PT_LOAD || !(header.p_flags & PF_X))
			continue;
		if (header.p_memsz > UINT64_MAX - header.p_vaddr)
			continue;
		if (!image->code_high || header.p_vaddr < image->code_low)
			image->code_low = header.p_vaddr;
		if (header.p_vaddr + header.p_memsz > image->code_high)
			image->code_high = header.p_vaddr + header.p_memsz;
	}
	if (image->code_high && image->code_low < sizeof(Elf64_Ehdr))
		image->code_low = sizeof(Elf64_Ehdr);
}

static char *descriptor_path(int fd)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length <= 0)
		return NULL;
	path[length] = '\0';
	return strdup(path);
}

int elf_image_open_fd(struct elf_image *image, int fd)
{
	struct stat status;
	int error = ENOEXEC;

	memset(image, 0, sizeof(*image));
	elf_version(EV_CURRENT);
	if (fstat(fd, &status)) {
		error = errno;
		goto out;
	}
	if (!S_ISREG(status.st_mode))
		goto out;
	image->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!image->elf || elf_kind(image->elf) != ELF_K_ELF)
		goto out;
	/* Mapped as a whole, the file needs no descriptor; a file system that cannot map would. */
	if (!elf_rawfile(image->elf, NULL) || elf_cntl(image->elf, ELF_C_FDREAD))
		goto out;
	elf_cntl(image->elf, ELF_C_FDDONE);
	image->path = descriptor_path(fd);
	image->device = status.st_dev;
	image->inode = status.st_ino;
	image_describe(image);
	error = 0;
out:
	close(fd);
	if (!error)
		return 0;
	elf_image_close(image);
	errno = error;
	return -1;
}

int elf_image_open(struct elf_image *image, const char *path)
{
	/* A path may name a pipe or a terminal by now: never wait for one. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return elf_image_open_fd(image, fd);
	memset(image, 0, sizeof(*image));
	return -1;
}

/* The kernel maps two pages at least; section headers are part of the image, their end is its size. */
int elf_image_open_vdso(struct elf_image *image)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);

	memset(image, 0, sizeof(*image));
	errno = ENOENT;
	if (!header || header->e_ident[EI_CLASS] != ELFCLASS64)
		return -1;
	elf_version(EV_CURRENT);
	image->elf = elf_memory((char *)header, header->e_shoff + (size_t)header->e_shnum * header->e_shentsize);
	if (!image->elf)
		return -1;
	image_describe(image);
	return 0;
}

void elf_image_close(struct elf_image *image)
{
	if (image->elf)
		elf_end(image->elf);
	free(image->path);
	memset(image, 0, sizeof(*image));
}

bool elf_image_has_id(const struct elf_image *image, const uint8_t *build_id, size_t build_id_bytes)
{
	return image->build_id_bytes == build_id_bytes &&
	       (!build_id_bytes || !memcmp(image->build_id, build_id, build_id_bytes));
}

Elf_Scn *elf_image_section(const struct elf_image *image, const char *name)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (!image->elf || elf_getshdrstrndx(image->elf, &names))
		return NULL;
	while ((section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;
		const char *found;

		if (!gelf_getshdr(section, &header))
			continue;
		found = elf_strptr(image->elf, names, header.sh_name);
		if (found && !strcmp(found, name))
			return section;
	}
	return NULL;
}

bool elf_image_has_dwarf(const struct elf_image *image)
{
	static const char *const names[] = {".debug_info", ".zdebug_info"};

	for (size_t i = 0; i < 2; i++) {
		Elf_Scn *section = elf_image_section(image, names[i]);
		GElf_Shdr header;

		if (section && gelf_getshdr(section, &header) && header.sh_type != SHT_NOBITS && header.sh_size)
			return true;
	}
	return false;
}
