/* /proc/PID/stat: see proc_stat.h. */
#include "launch/proc_stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool proc_stat_read(pid_t pid, struct proc_stat *stat)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC), parent = 0;
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *name_end = strrchr(text, ')'); /* the name may hold anything */
	if (!name_end || sscanf(name_end + 1, " %c %d", &stat->state, &parent) != 2)
		return false;
	stat->parent = parent;
	return true;
}
