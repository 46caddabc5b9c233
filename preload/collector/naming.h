/* Names of trace files, and their creation without following links or touching what is not ours. Writer thread only. */
#ifndef NAMING_H
#define NAMING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The rule of a session, see writer.h. */
struct naming {
	const char *template;
	bool named;
	uint8_t session_id[16];
};

/* Where a file was written; kept for the session's life, because a later image of its process may rename it. */
struct naming_entry {
	struct naming_entry *next;
	uint32_t serial; /* in the order of creation */
	pid_t pid;
	char *path;
	char *base;       /* what it was named first */
	uint32_t n_execs; /* former images of this process under base */
	bool is_root;
};

/* Create and lock the file of a process (mode 0600). exe: path of its program.
 * returns: a descriptor and *entry; -1 with errno, and *entry->path still says which file was meant (NULL: no memory)
 */
int naming_open(const struct naming *naming, pid_t pid, bool is_root, const char *exe, struct naming_entry **entry);

#endif
