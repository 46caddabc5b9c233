/* What /proc/PID/stat says of a process. threads: any. */
#ifndef PROC_STAT_H
#define PROC_STAT_H

#include <stdbool.h>
#include <sys/types.h>

struct proc_stat {
	char state; /* 'R', 'S', 'T' (stopped), 'Z' ... */
	pid_t parent;
};

/* returns: false when there is no such process, or nothing to be read */
bool proc_stat_read(pid_t pid, struct proc_stat *stat);

#endif
