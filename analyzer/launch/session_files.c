/* The trace files of a recording session: see session_files.h. Called by drive.c, cmd_record.c and the reports. */
#include "launch/session_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "tidemark/trace.h"

#define CLOCK_STEP_NS 10000000000u /* the clock may be set back meanwhile, but not by more */

static bool read_head(int folder, const char *name, struct tidemark_file_header *header)
{
	struct stat status;
	if (fstatat(folder, name, &status, folder == AT_FDCWD ? 0 : AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(status.st_mode))
		return false; /* opening a pipe or a device may do something */
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	ssize_t n = pread(fd, header, sizeof(*header), 0);
	close(fd);
	return n == sizeof(*header) && !memcmp(header->magic, TIDEMARK_TRACE_MAGIC, sizeof(header->magic));
}

/* The session of the process: the newest, should an older process have had its pid. returns: whether one was found */
static bool find_session(DIR *dir, pid_t pid, uint64_t start_ns, uint8_t session[16])
{
	struct tidemark_file_header header;
	uint64_t newest_ns = 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (read_head(dirfd(dir), entry->d_name, &header) && header.pid == (uint32_t)pid &&
		    header.start_real_ns + CLOCK_STEP_NS >= start_ns && header.start_real_ns > newest_ns) {
			newest_ns = header.start_real_ns;
			memcpy(session, header.session_id, sizeof(header.session_id));
		}
	return newest_ns != 0;
}

static int add(struct session_files *files, const char *folder, const char *name)
{
	if (ARRAY_RESERVE(files->items, files->capacity, files->n_items + 1) < 0)
		return -1;
	char **item = &files->items[files->n_items];
	if ((!strcmp(folder, ".") ? asprintf(item, "%s", name) : asprintf(item, "%s/%s", folder, name)) < 0)
		return -1;
	files->n_items++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folder of a path. returns: to be freed, NULL: no memory */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

/* A known file's place in the list of heads. returns: whether it is there */
static bool is_among(
    const struct tidemark_file_header *header, const struct tidemark_file_header *known, size_t n_known)
{
	for (size_t i = 0; i < n_known; i++)
		if (!memcmp(header, &known[i], sizeof(*header)))
			return true;
	return false;
}

/* Add the files of a session that are not among the known ones. */
static int collect(struct session_files *files, const char *folder, DIR *dir, const uint8_t session[16],
    const struct tidemark_file_header *known, size_t n_known)
{
	struct tidemark_file_header header;
	size_t first = files->n_items;
	for (struct dirent *entry; (entry = readdir(dir));)
		if ((entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN) &&
		    read_head(dirfd(dir), entry->d_name, &header) &&
		    !memcmp(session, header.session_id, sizeof(header.session_id)) &&
		    !is_among(&header, known, n_known) && add(files, folder, entry->d_name) < 0)
			return -1;
	if (files->n_items > first)
		qsort(files->items + first, files->n_items - first, sizeof(*files->items), by_name);
	return 0;
}

int session_files_find(struct session_files *files, const char *template, pid_t pid, uint64_t start_ns, struct err *err)
{
	uint8_t session[16];
	char *folder = folder_of(template);
	DIR *dir = folder ? opendir(folder) : NULL;
	int result = 0;
	*files = (struct session_files){0};
	if (!dir) {
		result = err_errno(err, "cannot look into '%s'", folder ? folder : template);
	} else if (!find_session(dir, pid, start_ns, session)) {
		result = err_set(err, TIDEMARK_ERR_NOT_FOUND, "no trace of process %d in '%s'", (int)pid, folder);
	} else {
		rewinddir(dir);
		if (collect(files, folder, dir, session, NULL, 0) < 0)
			result = err_memory(err);
	}
	if (dir)
		closedir(dir);
	free(folder);
	return result;
}

/* One folder, once for each session that a given file in it has. */
static int look_beside(struct session_files *others, const char *folder, const char *const *given,
    const struct tidemark_file_header *heads, size_t i, size_t n)
{
	bool done = false;
	for (size_t k = 0; k < i && !done; k++) {
		char *before = folder_of(given[k]);
		if (!before)
			return -1;
		done = !strcmp(before, folder) &&
		       !memcmp(heads[k].session_id, heads[i].session_id, sizeof(heads[i].session_id));
		free(before);
	}
	DIR *dir = done ? NULL : opendir(folder);
	int result = dir ? collect(others, folder, dir, heads[i].session_id, heads, n) : 0;
	if (dir)
		closedir(dir);
	return result;
}

int session_files_others(struct session_files *others, const char *const *given, size_t n, struct err *err)
{
	struct tidemark_file_header *heads = calloc(n + 1, sizeof(*heads));
	int result = heads ? 0 : -1;
	*others = (struct session_files){0};
	for (size_t i = 0; i < n && !result; i++)
		if (!read_head(AT_FDCWD, given[i], &heads[i]))
			heads[i] = (struct tidemark_file_header){0};
	for (size_t i = 0; i < n && !result; i++) {
		char *folder = heads[i].magic[0] ? folder_of(given[i]) : NULL;
		if (folder)
			result = look_beside(others, folder, given, heads, i, n);
		else if (heads[i].magic[0])
			result = -1;
		free(folder);
	}
	free(heads);
	return result < 0 ? err_memory(err) : 0;
}

const char *session_files_text(const struct session_files *files, char text[SESSION_FILES_TEXT_BYTES])
{
	const size_t n = files->n_items, shown = n <= 3 ? n : 2, room = SESSION_FILES_TEXT_BYTES;
	size_t used = 0;
	text[0] = 0;
	for (size_t i = 0; i < shown && used < room; i++)
		used += (size_t)snprintf(text + used, room - used, "%s'%s'",
		    i == 0                         ? ""
		    : i + 1 == shown && shown == n ? " and "
		                                   : ", ",
		    files->items[i]);
	if (shown < n && used < room)
		snprintf(text + used, room - used, " and %zu more", n - shown);
	return text;
}

void session_files_release(struct session_files *files)
{
	for (size_t i = 0; i < files->n_items; i++)
		free(files->items[i]);
	free(files->items);
	*files = (struct session_files){0};
}
