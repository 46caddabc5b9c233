/* Processes of a tree that escaped the recording: see unrecorded.h. Called by drive.c. */
#include "launch/unrecorded.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"

#define LIBRARY "/libtidemark.so"

struct relation {
	pid_t pid, parent;
	bool wanted; /* belongs to the tree */
};

struct tree {
	struct relation *items;
	size_t n_items, capacity;
};

/* Fields 1, 2, 3 and 4 of /proc/PID/stat, proc(5). returns: whether it runs; a zombie does not */
static bool read_stat(pid_t pid, pid_t *parent, char name[UNRECORDED_NAME_BYTES])
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	text[n] = '\0';
	char *start = strchr(text, '('), *end = strrchr(text, ')'); /* the name may hold anything */
	char state = 0;
	int number = 0;
	if (!start || !end || sscanf(end + 1, " %c %d", &state, &number) != 2)
		return false;
	*end = '\0';
	snprintf(name, UNRECORDED_NAME_BYTES, "%s", start + 1);
	*parent = number;
	return state != 'Z' && state != 'X';
}

static void list_processes(struct tree *tree, pid_t root)
{
	char name[UNRECORDED_NAME_BYTES];
	DIR *proc = opendir("/proc");
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		struct relation found = {.pid = (pid_t)atoi(entry->d_name)};
		if (found.pid <= 0 || !read_stat(found.pid, &found.parent, name) ||
		    ARRAY_RESERVE(tree->items, tree->capacity, tree->n_items + 1) < 0)
			continue;
		found.wanted = found.pid == root;
		tree->items[tree->n_items++] = found;
	}
	if (proc)
		closedir(proc);
}

static bool is_wanted(const struct tree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->n_items; i++)
		if (tree->items[i].pid == pid)
			return tree->items[i].wanted;
	return false;
}

static void mark_descendants(struct tree *tree)
{
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < tree->n_items; i++)
			if (!tree->items[i].wanted && is_wanted(tree, tree->items[i].parent))
				more = tree->items[i].wanted = true;
	}
}

/* Is the library missing in its memory? What cannot be read is not said to miss it. */
static bool lacks_library(pid_t pid)
{
	char path[64], *line = NULL;
	size_t capacity = 0, n_lines = 0;
	bool loaded = false;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *file = fopen(path, "re");
	while (file && !loaded && getline(&line, &capacity, file) > 0) {
		loaded = strstr(line, LIBRARY) != NULL;
		n_lines++;
	}
	free(line);
	if (file)
		fclose(file);
	return n_lines && !loaded;
}

pid_t unrecorded_find(pid_t root, char name[UNRECORDED_NAME_BYTES])
{
	const struct timespec pause = {.tv_nsec = 100000000};
	struct tree tree = {0};
	pid_t found = 0, parent;
	list_processes(&tree, root);
	mark_descendants(&tree);
	for (size_t i = 0; i < tree.n_items && !found; i++) {
		pid_t pid = tree.items[i].pid;
		if (!tree.items[i].wanted || !lacks_library(pid))
			continue;
		nanosleep(&pause, NULL);
		if (read_stat(pid, &parent, name) && lacks_library(pid))
			found = pid;
	}
	free(tree.items);
	return found;
}
