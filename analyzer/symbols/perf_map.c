/* Perf maps: text that grows while the program compiles. Enters: a path in /tmp. Leaves: names by program counter. */
#include "symbols/perf_map.h"

#include "base/array.h"
#include "symbols/mangled.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ENTRIES (4u << 20)
#define MAX_NAME_BYTES 4096

struct perf_map_entry {
	uint64_t start, end;
	uint64_t max_end; /* of this and all entries before it */
	const char *name;
	uint32_t line; /* code moves: later lines override */
};

void perf_map_init(struct perf_map *map)
{
	memset(map, 0, sizeof(*map));
}

void perf_map_release(struct perf_map *map)
{
	free(map->entries);
	perf_map_init(map);
}

static FILE *map_open(const char *path, uint64_t *size_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	FILE *file;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) || !S_ISREG(status.st_mode) ||
	    (status.st_uid != geteuid() && status.st_uid != 0 && geteuid() != 0)) {
		close(fd);
		return NULL;
	}
	*size_bytes = (uint64_t)status.st_size;
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

static int line_add(struct perf_map *map, char *line, struct strpool *pool)
{
	struct perf_map_entry *entry;
	uint64_t start, size_bytes;
	char *end, *name;

	errno = 0;
	start = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || errno)
		return 0;
	name = end;
	size_bytes = strtoull(name, &end, 16);
	if (end == name || *end != ' ' || errno || !size_bytes || size_bytes > UINT64_MAX - start)
		return 0;
	name = end + strspn(end, " ");
	if (!name[0] || map->n_entries >= MAX_ENTRIES)
		return 0;
	if (strlen(name) > MAX_NAME_BYTES)
		name[MAX_NAME_BYTES] = '\0';
	if (ARRAY_RESERVE(map->entries, map->capacity, map->n_entries + 1))
		return -1;
	entry = &map->entries[map->n_entries];
	entry->start = start;
	entry->end = start + size_bytes;
	entry->line = (uint32_t)map->n_entries;
	entry->name = mangled_symbol(name, pool);
	if (!entry->name)
		return -1;
	map->n_entries++;
	return 0;
}

static int entry_compare(const void *a, const void *b)
{
	const struct perf_map_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static void map_sort(struct perf_map *map)
{
	uint64_t max_end = 0;

	if (map->n_entries)
		qsort(map->entries, map->n_entries, sizeof(*map->entries), entry_compare);
	for (size_t i = 0; i < map->n_entries; i++) {
		if (map->entries[i].end > max_end)
			max_end = map->entries[i].end;
		map->entries[i].max_end = max_end;
	}
}

int perf_map_read(struct perf_map *map, const char *path, struct strpool *pool)
{
	uint64_t size_bytes;
	size_t before = map->n_entries, line_bytes = 0;
	FILE *file = map_open(path, &size_bytes);
	char *line = NULL;
	ssize_t length;

	if (!file)
		return -1;
	if (size_bytes < map->read_bytes)
		map->read_bytes =
		    0; /* written anew: what was known before may still be on stacks, later lines override it */
	if (size_bytes > map->read_bytes && !fseeko(file, (off_t)map->read_bytes, SEEK_SET)) {
		while ((length = getline(&line, &line_bytes, file)) > 0) {
			if (line[length - 1] != '\n')
				break; /* half a line: read it whole the next time */
			map->read_bytes += (uint64_t)length;
			line[length - 1] = '\0';
			if (line_add(map, line, pool))
				break;
		}
	}
	free(line);
	fclose(file);
	if (map->n_entries == before)
		return 0;
	map_sort(map);
	return 1;
}

const char *perf_map_find(const struct perf_map *map, uint64_t pc)
{
	const struct perf_map_entry *best = NULL;
	size_t after = ARRAY_LEADING(map->n_entries, i, map->entries[i].start <= pc);

	for (size_t i = after; i-- > 0 && map->entries[i].max_end > pc;)
		if (map->entries[i].end > pc && (!best || map->entries[i].line > best->line))
			best = &map->entries[i];
	return best ? best->name : NULL;
}
