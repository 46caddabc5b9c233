/* The trace files of a recording session: see session_files.h. Called by drive.c. */
#include "launch/session_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "tidemark/trace.h"

#define CLOCK_STEP_NS 10000000000u /* the clock may be set back meanwhile, but not by more */

static bool read_head(int folder, const char *name, struct tidemark_file_header *header)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
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

static int collect(struct session_files *files, const char *folder, DIR *dir, const uint8_t session[16])
{
	struct tidemark_file_header header;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (read_head(dirfd(dir), entry->d_name, &header) &&
		    !memcmp(session, header.session_id, sizeof(header.session_id)) &&
		    add(files, folder, entry->d_name) < 0)
			return -1;
	qsort(files->items, files->n_items, sizeof(*files->items), by_name);
	return 0;
}

int session_files_find(struct session_files *files, const char *template, pid_t pid, uint64_t start_ns, struct err *err)
{
	uint8_t session[16];
	const char *slash = strrchr(template, '/');
	char *folder = slash == template ? strdup("/")
	               : slash           ? strndup(template, (size_t)(slash - template))
	                                 : strdup(".");
	DIR *dir = folder ? opendir(folder) : NULL;
	int result = 0;
	*files = (struct session_files){0};
	if (!dir) {
		result = err_errno(err, "cannot look into '%s'", folder ? folder : template);
	} else if (!find_session(dir, pid, start_ns, session)) {
		result = err_set(err, TIDEMARK_ERR_NOT_FOUND, "no trace of process %d in '%s'", (int)pid, folder);
	} else {
		rewinddir(dir);
		if (collect(files, folder, dir, session) < 0)
			result = err_set(err, TIDEMARK_ERR_MEMORY, "out of memory");
	}
	if (dir)
		closedir(dir);
	free(folder);
	return result;
}

void session_files_release(struct session_files *files)
{
	for (size_t i = 0; i < files->n_items; i++)
		free(files->items[i]);
	free(files->items);
	*files = (struct session_files){0};
}
