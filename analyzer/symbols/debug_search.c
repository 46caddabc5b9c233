/* The places where distributions and build systems leave debug files. A candidate counts only when its build-id, or
 * without one the checksum in .gnu_debuglink, says that it belongs to the module. */
#include "symbols/debug_search.h"

#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define SYSTEM_DEBUG_DIR "/usr/lib/debug"

struct wanted {
	const uint8_t *build_id;
	size_t build_id_bytes;
	bool check_crc;
	uint32_t crc;
	const struct elf_image *not_this; /* the module itself, found again through a link */
};

static bool crc_matches(const struct elf_image *candidate, uint32_t wanted)
{
	size_t size_bytes = 0;
	const char *bytes = elf_rawfile(candidate->elf, &size_bytes);
	uLong crc = crc32(0, NULL, 0);

	if (!bytes)
		return false;
	for (size_t at = 0; at < size_bytes; at += 1u << 30)
		crc = crc32(
		    crc, (const Bytef *)bytes + at, (uInt)(size_bytes - at < 1u << 30 ? size_bytes - at : 1u << 30));
	return crc == wanted;
}

static bool candidate_fits(const struct elf_image *candidate, const struct wanted *wanted)
{
	if (wanted->not_this && wanted->not_this->elf && candidate->inode == wanted->not_this->inode &&
	    candidate->device == wanted->not_this->device)
		return false;
	if (wanted->build_id_bytes)
		return elf_image_has_id(candidate, wanted->build_id, wanted->build_id_bytes);
	return wanted->check_crc && crc_matches(candidate, wanted->crc);
}

static int candidate_open(struct elf_image *found, const struct wanted *wanted, const char *path)
{
	if (elf_image_open(found, path))
		return -1;
	if (candidate_fits(found, wanted))
		return 0;
	elf_image_close(found);
	return -1;
}

/* Try ROOT FOLDER / NAME; any part may be empty. */
static int try_path(
    struct elf_image *found, const struct wanted *wanted, const char *root, const char *folder, const char *name)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s%s/%s", root, folder, name);

	return length > 0 && (size_t)length < sizeof(path) ? candidate_open(found, wanted, path) : -1;
}

/* The debug folders in order: of the sysroot, the user's, the system's. NULL ends them. */
static const char *debug_root(const struct debug_search *search, size_t i, char *buffer, size_t buffer_bytes)
{
	size_t first = search->sysroot ? 1 : 0;

	if (first && i == 0) {
		int length = snprintf(buffer, buffer_bytes, "%s" SYSTEM_DEBUG_DIR, search->sysroot);

		return length > 0 && (size_t)length < buffer_bytes ? buffer : "";
	}
	if (i - first < search->n_debug_dirs)
		return search->debug_dirs[i - first];
	return i - first == search->n_debug_dirs ? SYSTEM_DEBUG_DIR : NULL;
}

static int try_build_id(const struct debug_search *search, const struct wanted *wanted, struct elf_image *found)
{
	char name[160], buffer[PATH_MAX];
	const char *root;
	size_t at;

	if (wanted->build_id_bytes < 2 || wanted->build_id_bytes > 64)
		return -1;
	at = (size_t)snprintf(name, sizeof(name), ".build-id/%02x/", wanted->build_id[0]);
	for (size_t i = 1; i < wanted->build_id_bytes; i++)
		at += (size_t)snprintf(name + at, sizeof(name) - at, "%02x", wanted->build_id[i]);
	snprintf(name + at, sizeof(name) - at, ".debug");
	for (size_t i = 0; (root = debug_root(search, i, buffer, sizeof(buffer))); i++)
		if (root[0] && !try_path(found, wanted, root, "", name))
			return 0;
	return -1;
}

/* NAME beside a module that lies in FOLDER, and in each debug folder below the same FOLDER or directly. */
static int try_name(const struct debug_search *search, const struct wanted *wanted, const char *folder,
    const char *name, struct elf_image *found)
{
	char buffer[PATH_MAX];
	const char *root, *sysroot = search->sysroot ? search->sysroot : "";

	if (!try_path(found, wanted, sysroot, folder, name))
		return 0;
	snprintf(buffer, sizeof(buffer), "%s%s/.debug", sysroot, folder);
	if (!try_path(found, wanted, buffer, "", name))
		return 0;
	for (size_t i = 0; (root = debug_root(search, i, buffer, sizeof(buffer))); i++) {
		if (root[0] && !try_path(found, wanted, root, folder, name))
			return 0;
		if (i < search->n_debug_dirs + !!search->sysroot && !try_path(found, wanted, root, "", name))
			return 0;
	}
	return -1;
}

/* The folder of a path, with a last character that '/' may follow. returns: its length */
static size_t folder_of(const char *path, char *folder, size_t folder_bytes)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (length >= folder_bytes)
		length = 0;
	memcpy(folder, path, length);
	folder[length] = '\0';
	return length;
}

static int try_names(const struct debug_search *search, const struct wanted *wanted, const struct elf_image *image,
    const char *path, const char *name, struct elf_image *found)
{
	char folder[PATH_MAX], other[PATH_MAX];

	folder_of(path, folder, sizeof(folder));
	if (!try_name(search, wanted, folder, name, found))
		return 0;
	if (image->path && folder_of(image->path, other, sizeof(other)) && strcmp(folder, other))
		return try_name(search, wanted, other, name, found);
	return -1;
}

/* libdebuginfod is loaded only here: it drags a web client in. DEBUGINFOD_URLS, its cache and timeouts are its own. */
static int try_debuginfod(const struct wanted *wanted, struct elf_image *found)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	void *library, *client;
	void *(*begin)(void);
	int (*find)(void *, const unsigned char *, int, char **);
	void (*end)(void *);
	int fd = -1;

	if (!wanted->build_id_bytes || !urls || !urls[strspn(urls, " \t")])
		return -1;
	library = dlopen("libdebuginfod.so.1", RTLD_LAZY | RTLD_LOCAL);
	if (!library)
		return -1;
	*(void **)&begin = dlsym(library, "debuginfod_begin");
	*(void **)&find = dlsym(library, "debuginfod_find_debuginfo");
	*(void **)&end = dlsym(library, "debuginfod_end");
	client = begin && find && end ? begin() : NULL;
	if (client) {
		fd = find(client, wanted->build_id, (int)wanted->build_id_bytes, NULL);
		end(client);
	}
	/* The library stays: its web client does not survive being unloaded. */
	if (fd < 0 || elf_image_open_fd(found, fd))
		return -1;
	if (candidate_fits(found, wanted))
		return 0;
	elf_image_close(found);
	return -1;
}

int debug_search_file(const struct debug_search *search, const struct elf_image *image, const char *path,
    const uint8_t *build_id, size_t build_id_bytes, struct elf_image *found)
{
	struct wanted wanted = {build_id, build_id_bytes, false, 0, image};
	GElf_Word crc = 0;
	const char *link = image->elf ? dwelf_elf_gnu_debuglink(image->elf, &crc) : NULL;
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char guess[NAME_MAX + 1];

	memset(found, 0, sizeof(*found));
	if (!try_build_id(search, &wanted, found))
		return 0;
	if (link && link[0] && !strchr(link, '/')) {
		wanted.check_crc = true;
		wanted.crc = crc;
		if (!try_names(search, &wanted, image, path, link, found))
			return 0;
		wanted.check_crc = false;
	}
	/* Folders that the user named may hold unstripped files, or debug files by the module's name. */
	if (build_id_bytes && (search->n_debug_dirs || search->sysroot)) {
		int length = snprintf(guess, sizeof(guess), "%s.debug", name);

		if (length > 0 && (size_t)length < sizeof(guess) &&
		    !try_names(search, &wanted, image, path, guess, found))
			return 0;
		if (!try_names(search, &wanted, image, path, name, found)) {
			if (elf_image_has_dwarf(found))
				return 0;
			elf_image_close(found);
		}
	}
	return search->use_debuginfod ? try_debuginfod(&wanted, found) : -1;
}

int debug_search_alternate(const struct debug_search *search, const struct elf_image *debug, const char *name,
    const uint8_t *build_id, size_t build_id_bytes, struct elf_image *found)
{
	struct wanted wanted = {build_id, build_id_bytes, false, 0, debug};
	const char *sysroot = search->sysroot ? search->sysroot : "";
	char folder[PATH_MAX];

	memset(found, 0, sizeof(*found));
	if (!build_id_bytes)
		return -1;
	if (name[0] == '/' && sysroot[0] && !try_path(found, &wanted, sysroot, "", name + 1))
		return 0;
	if (name[0] == '/' && !candidate_open(found, &wanted, name))
		return 0;
	if (name[0] != '/' && debug->path && folder_of(debug->path, folder, sizeof(folder)) &&
	    !try_path(found, &wanted, folder, "", name))
		return 0;
	if (!try_build_id(search, &wanted, found))
		return 0;
	return search->use_debuginfod ? try_debuginfod(&wanted, found) : -1;
}
