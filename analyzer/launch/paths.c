/* Where the installation's parts lie: see paths.h. Called once by cmd_record before anything starts. */
#include "launch/paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY "libtidemark.so"
#define COLLECTOR "tidemark-collector"

static bool join(char out[PATH_MAX], const char *folder, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
	return n > 0 && n < PATH_MAX;
}

/* The folder this program lies in, without symbolic links. */
static int own_folder(char folder[PATH_MAX], struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	if (n <= 0)
		return err_errno(err, "cannot read '/proc/self/exe'");
	folder[n] = '\0';
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

static bool parts_in(struct launch_paths *paths, const char *folder)
{
	char full[PATH_MAX];
	return realpath(folder, full) && join(paths->library, full, LIBRARY) &&
	       join(paths->collector, full, COLLECTOR) && access(paths->library, R_OK) == 0 &&
	       access(paths->collector, X_OK) == 0;
}

/* FNV-1a: one short name for each installation folder. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
	return hash;
}

/* A folder of ours that nobody else can write to, in which the link may stay. */
static bool make_link_folder(const char *folder)
{
	struct stat st;
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return false;
	return lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Links to installations that are gone serve nobody. */
static void remove_dead_links(const char *folder)
{
	DIR *dir = opendir(folder);
	char path[PATH_MAX];
	struct stat st;
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_type == DT_LNK && join(path, folder, entry->d_name) && stat(path, &st) < 0 &&
		    errno == ENOENT)
			unlink(path);
	if (dir)
		closedir(dir);
}

static bool make_link(const char *folder, const char *target, char link[PATH_MAX])
{
	char name[32], seen[PATH_MAX];
	snprintf(name, sizeof(name), "%016jx.so", (uintmax_t)hash_text(target));
	if (!make_link_folder(folder) || !join(link, folder, name))
		return false;
	remove_dead_links(folder);
	if (symlink(target, link) < 0 && errno != EEXIST)
		return false;
	ssize_t n = readlink(link, seen, sizeof(seen));
	return n == (ssize_t)strlen(target) && !memcmp(seen, target, (size_t)n);
}

static bool fits_preload(const char *path)
{
	return !strpbrk(path, " :$"); /* separators and dynamic string tokens: ld.so(8) */
}

/* LD_PRELOAD has no way to quote. The link stays: programs that outlive the recording still name it when they exec. */
static int preload_name(struct launch_paths *paths, struct err *err)
{
	if (fits_preload(paths->library)) {
		memcpy(paths->preload, paths->library, sizeof(paths->preload));
		return 0;
	}
	const char *tries[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"};
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		char folder[PATH_MAX], name[32];
		snprintf(name, sizeof(name), "tidemark-%ju", (uintmax_t)geteuid());
		if (tries[i] && tries[i][0] == '/' && fits_preload(tries[i]) && join(folder, tries[i], name) &&
		    make_link(folder, paths->library, paths->preload))
			return 0;
	}
	return err_set(err, TIDEMARK_ERR_SYSTEM,
	    "cannot preload '%s': LD_PRELOAD takes no blanks, and no folder for a link to it could be written",
	    paths->library);
}

int launch_paths_find(struct launch_paths *paths, struct err *err)
{
	char folder[PATH_MAX], installed[PATH_MAX];
	int result = own_folder(folder, err);
	if (result < 0)
		return result;
	if (parts_in(paths, folder) || (join(installed, folder, "../lib/tidemark") && parts_in(paths, installed)))
		return preload_name(paths, err);
	return err_set(err, TIDEMARK_ERR_NOT_FOUND,
	    "cannot find " LIBRARY " and " COLLECTOR " in '%s' or '%s/../lib/tidemark'", folder, folder);
}
