/* What the kernel tells about a recorded process from outside: /proc, pidfds. Calls never wait for the process (except
 * procfs_smaps, which the helper thread makes). No state, any thread. */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/stat. */
struct procfs_stat {
	char comm[16];
	char state;
	pid_t parent_pid;
	uint64_t start_ticks; /* of sysconf(_SC_CLK_TCK) since boot */
	uint64_t start_code;  /* 0 or 1: not ours to know */
	uint64_t start_stack;
	int exit_code; /* wait status of a zombie; 0 when not ours to know */
};

/* /proc/PID/smaps_rollup, in bytes. */
struct procfs_smaps {
	uint64_t rss, pss, private_clean, private_dirty, anonymous, swap;
};

/* returns: 0, -1 when there is no such process */
int procfs_stat(pid_t pid, struct procfs_stat *st);

/* Open what procfs_statm reads; the descriptor stays good over setuid and exec. returns: -1 on failure */
int procfs_statm_open(pid_t pid);

/* May what is merely useful keep this new descriptor? Only the first `quarters` of those that we may have.
 * returns: fd; -1 when it was closed again */
int procfs_keep(int fd, unsigned quarters);

/* returns: 0, -1 when the process has no memory (any more) */
int procfs_statm(int fd, uint64_t *rss_bytes, uint64_t *shared_bytes);

int procfs_smaps(pid_t pid, struct procfs_smaps *smaps);

/* The most memory that a process had resident since its last exec; pid 0: this one. getrusage would not do: its figure
 * outlives exec, and the starter may have been big. returns: 0 when it cannot be read */
uint64_t procfs_peak_bytes(pid_t pid);

/* The name of a thread as its NUL-terminated comm. returns: 0, -1 when it is gone */
int procfs_thread_name(pid_t pid, pid_t tid, char name[16]);

/* Open the file that a process has mapped at `address`, also when it was deleted. Takes the rights of root.
 * gone: set to whether its path is another file's by now, or nobody's; anybody may know
 * returns: -1 on failure */
int procfs_open_mapped(pid_t pid, uint64_t address, bool *gone);

/* A pidfd of a running process or zombie. returns: -1 when it is gone or the kernel has none (errno ENOSYS) */
int procfs_pidfd(pid_t pid);

/* The process of a pidfd. returns: its pid, -1 when it was reaped, 0 when fd is no pidfd */
pid_t procfs_pidfd_pid(int fd);

/* How a process ended that pidfd says is dead.
 * returns: 1 and its wait status; 0 when it may be known in a moment; -1 when the kernel does not tell */
int procfs_exit_status(pid_t pid, int pidfd, int *status);

/* A child of `parent` whose pid in its own pid namespace is own_pid. returns: its pid here, 0 when not found */
pid_t procfs_find_child(pid_t parent, pid_t own_pid);

#endif
