#include "naming.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "tidemark/trace.h"

#define CREATE_FLAGS (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY)
#define MAX_SUFFIX 10000

#define BUCKETS 1024u /* by pid */

static struct naming_entry *entries[BUCKETS];
static uint32_t n_entries;

static void add_text(struct bytes *b, const char *text)
{
	bytes_add(b, text, strlen(text));
}

/* A program's name as part of a file name. */
static void add_program(struct bytes *b, const char *exe)
{
	const char *slash = strrchr(exe, '/'), *name = slash ? slash + 1 : exe;
	add_text(b, *name ? name : "unknown");
}

/* %p pid, %e program, %% percent; other letters stay as they are. returns: malloc'ed text, NULL without memory */
static char *expand(const char *template, pid_t pid, const char *exe)
{
	struct bytes b = {0};
	for (const char *p = template; *p; p++) {
		char number[16];
		if (p[0] == '%' && p[1] == 'p') {
			snprintf(number, sizeof(number), "%d", (int)pid);
			add_text(&b, number);
			p++;
		} else if (p[0] == '%' && p[1] == 'e') {
			add_program(&b, exe);
			p++;
		} else if (p[0] == '%' && p[1] == '%') {
			bytes_add_byte(&b, '%');
			p++;
		} else {
			bytes_add_byte(&b, (uint8_t)*p);
		}
	}
	bytes_add_byte(&b, 0);
	if (b.bad) {
		bytes_release(&b);
		return NULL;
	}
	return (char *)b.data;
}

/* Is path a trace of this session? Such a file is never replaced. */
static bool is_ours(const struct naming *naming, const char *path)
{
	struct tidemark_file_header header;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, &header, sizeof(header));
	close(fd);
	return n == sizeof(header) && memcmp(header.session_id, naming->session_id, sizeof(header.session_id)) == 0;
}

/* Make way for a file that the user named: an old file or link goes, anything else (a device, a pipe) is written to. */
static int create_named(const char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0) {
		if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
			return open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (unlink(path) < 0)
			return open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	}
	return open(path, CREATE_FLAGS, 0600);
}

/* PATH with -N put in front of its extension .tmk, or at its end. */
static char *with_suffix(const char *path, unsigned n)
{
	char *text;
	size_t length = strlen(path), stem = length;
	if (length > 4 && strcmp(path + length - 4, ".tmk") == 0)
		stem = length - 4;
	return asprintf(&text, "%.*s-%u%s", (int)stem, path, n, path + stem) < 0 ? NULL : text;
}

/* Create entry->path; when a file of that name must stay, the next free name with a suffix. */
static int create(const struct naming *naming, struct naming_entry *entry)
{
	for (unsigned n = 1; n < MAX_SUFFIX; n++) {
		int fd = open(entry->path, CREATE_FLAGS, 0600);
		if (fd < 0 && errno == EEXIST && naming->named && !is_ours(naming, entry->path))
			fd = create_named(entry->path);
		if (fd >= 0 || errno != EEXIST)
			return fd;
		char *path = with_suffix(entry->base, n);
		if (!path)
			return -1;
		free(entry->path);
		entry->path = path;
	}
	errno = EEXIST;
	return -1;
}

/* An earlier image of the same process gives its name up and becomes FILE.execN. */
static uint32_t rename_former(pid_t pid, const char *base)
{
	for (struct naming_entry *e = entries[(uint32_t)pid % BUCKETS]; e; e = e->next) {
		if (e->pid != pid || strcmp(e->base, base) != 0 || strcmp(e->path, base) != 0)
			continue;
		char *path;
		if (asprintf(&path, "%s.exec%u", base, e->n_execs) < 0)
			return 0;
		if (rename(e->path, path) < 0) {
			free(path);
			return 0;
		}
		free(e->path);
		e->path = path;
		return e->n_execs + 1;
	}
	return 0;
}

/* The name before any suffix. */
static char *base_name(const struct naming *naming, pid_t pid, bool is_root, const char *exe)
{
	char *base = expand(naming->template, pid, exe), *child;
	if (!base || !naming->named || is_root)
		return base;
	if (asprintf(&child, "%s.%d", base, (int)pid) < 0)
		child = NULL;
	free(base);
	return child;
}

int naming_open(const struct naming *naming, pid_t pid, bool is_root, const char *exe, struct naming_entry **out)
{
	struct naming_entry *entry = calloc(1, sizeof(*entry));
	*out = NULL;
	if (!entry)
		return -1;
	entry->serial = ++n_entries;
	entry->pid = pid;
	entry->is_root = is_root;
	entry->base = base_name(naming, pid, is_root, exe);
	entry->path = entry->base ? strdup(entry->base) : NULL;
	if (!entry->path) {
		free(entry->base);
		free(entry);
		errno = ENOMEM;
		return -1;
	}
	if (naming->named)
		entry->n_execs = rename_former(pid, entry->base);
	int fd = create(naming, entry);
	int error = errno;
	if (fd >= 0)
		flock(fd, LOCK_EX | LOCK_NB);
	struct naming_entry **bucket = &entries[(uint32_t)pid % BUCKETS];
	entry->next = *bucket;
	*bucket = entry;
	*out = entry;
	errno = error;
	return fd;
}
