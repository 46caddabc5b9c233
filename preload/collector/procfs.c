#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* linux/pidfd.h of Linux 6.15, which Debian 12 does not have. */
struct exit_info {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t ids[11];
	int32_t exit_code;
};
#define EXIT_INFO_EXIT (1u << 3)
#define EXIT_INFO_PID (1u << 0)
#define PIDFD_GET_EXIT_INFO _IOWR(0xff, 11, struct exit_info)

/* Read a small file whole. returns: its length, -1 on failure */
static ssize_t read_file(const char *path, char *text, size_t capacity)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, capacity - 1);
	close(fd);
	if (n >= 0)
		text[n] = '\0';
	return n;
}

/* The fields behind the command name, which may itself hold blanks and brackets: field 3 is fields[0]. */
static int split_fields(char *text, char **fields, int max)
{
	int n = 0;
	char *save, *word = strtok_r(text, " \n", &save);
	while (word && n < max) {
		fields[n++] = word;
		word = strtok_r(NULL, " \n", &save);
	}
	return n;
}

int procfs_stat(pid_t pid, struct procfs_stat *st)
{
	char path[64], text[1024], *fields[52];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return -1;
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	if (!open || !close || close < open)
		return -1;
	memset(st, 0, sizeof(*st));
	size_t n_comm = (size_t)(close - open - 1);
	memcpy(st->comm, open + 1, n_comm < sizeof(st->comm) ? n_comm : sizeof(st->comm) - 1);
	int n = split_fields(close + 1, fields, 52);
	if (n < 26)
		return -1;
	st->state = fields[0][0];
	st->parent_pid = (pid_t)atoi(fields[1]);
	st->start_ticks = strtoull(fields[19], NULL, 10);
	st->start_code = strtoull(fields[23], NULL, 10);
	st->start_stack = strtoull(fields[25], NULL, 10);
	st->exit_code = n >= 50 ? atoi(fields[49]) : 0;
	return 0;
}

int procfs_keep(int fd, unsigned quarters)
{
	static rlim_t may_have;
	struct rlimit limit;
	if (!may_have)
		may_have = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
	if (fd < 0 || (rlim_t)fd < may_have / 4 * quarters)
		return fd;
	close(fd);
	return -1;
}

int procfs_statm_open(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	return procfs_keep(open(path, O_RDONLY | O_CLOEXEC), 3);
}

int procfs_statm(int fd, uint64_t *rss_bytes, uint64_t *shared_bytes)
{
	char text[128];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	char *at = text;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = strtoull(at, &at, 10), rss = strtoull(at, &at, 10), shared = strtoull(at, &at, 10);
	if (size == 0)
		return -1;
	*rss_bytes = rss * page;
	*shared_bytes = shared * page;
	return 0;
}

/* The value of "NAME:  N kB" in bytes; 0 when the line is missing. */
static uint64_t kb_line(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

int procfs_smaps(pid_t pid, struct procfs_smaps *smaps)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (read_file(path, text, sizeof(text)) <= 0 || !strstr(text, "\nRss:"))
		return -1;
	smaps->rss = kb_line(text, "\nRss:");
	smaps->pss = kb_line(text, "\nPss:");
	smaps->private_clean = kb_line(text, "\nPrivate_Clean:");
	smaps->private_dirty = kb_line(text, "\nPrivate_Dirty:");
	smaps->anonymous = kb_line(text, "\nAnonymous:");
	smaps->swap = kb_line(text, "\nSwap:");
	return 0;
}

uint64_t procfs_peak_bytes(pid_t pid)
{
	char path[64] = "/proc/self/status", text[4096];
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return read_file(path, text, sizeof(text)) > 0 ? kb_line(text, "\nVmHWM:") : 0;
}

int procfs_thread_name(pid_t pid, pid_t tid, char name[16])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)tid);
	ssize_t n = read_file(path, name, 16);
	if (n <= 0)
		return -1;
	if (name[n - 1] == '\n')
		name[n - 1] = '\0';
	return 0;
}

int procfs_open_mapped(pid_t pid, uint64_t address, bool *gone)
{
	static const char deleted[] = " (deleted)\n";
	char path[96], line[PATH_MAX + 128] = "";
	unsigned long start = 0, end = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "re");
	*gone = false;
	if (!maps)
		return -1;
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 && address >= start && address < end)
			break;
	fclose(maps);
	size_t n = strlen(line);
	*gone = n >= sizeof(deleted) && strcmp(line + n - (sizeof(deleted) - 1), deleted) == 0;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", (int)pid, start, end);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int procfs_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

pid_t procfs_pidfd_pid(int fd)
{
	char path[64], text[512];
	struct exit_info info = {.mask = EXIT_INFO_PID};
	if (ioctl(fd, PIDFD_GET_EXIT_INFO, &info) == 0 && info.mask & EXIT_INFO_PID)
		return (pid_t)info.ids[0];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_file(path, text, sizeof(text)) <= 0)
		return 0;
	const char *at = strstr(text, "\nPid:");
	return at ? (pid_t)atoi(at + 5) : 0;
}

/* /proc/PID belongs to us exactly when the kernel shows us what it keeps from others, an exit code for example. */
static bool secrets_are_told(pid_t pid)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return geteuid() == 0 || (stat(path, &st) == 0 && st.st_uid == geteuid());
}

int procfs_exit_status(pid_t pid, int pidfd, int *status)
{
	struct exit_info info = {.mask = EXIT_INFO_EXIT};
	bool asked = pidfd >= 0 && ioctl(pidfd, PIDFD_GET_EXIT_INFO, &info) == 0;
	if (asked && info.mask & EXIT_INFO_EXIT) {
		*status = info.exit_code;
		return 1;
	}
	struct procfs_stat now;
	if (pid > 0 && procfs_stat(pid, &now) == 0 && (now.state == 'Z' || now.state == 'X') && secrets_are_told(pid)) {
		*status = now.exit_code;
		return 1;
	}
	return asked ? 0 : -1;
}

/* The last number of a "NSpid:" line: the pid in the innermost namespace. */
static pid_t innermost_pid(pid_t pid)
{
	char path[64], text[2048];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return 0;
	char *at = strstr(text, "\nNSpid:");
	if (!at)
		return 0;
	at += 7;
	pid_t last = 0;
	for (char *end; *at != '\n' && *at; at = end) {
		long value = strtol(at, &end, 10);
		if (end == at)
			break;
		last = (pid_t)value;
	}
	return last;
}

pid_t procfs_find_child(pid_t parent, pid_t own_pid)
{
	char path[64], text[16384];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	if (read_file(path, text, sizeof(text)) <= 0)
		return 0;
	for (char *at = text, *end;; at = end) {
		pid_t child = (pid_t)strtol(at, &end, 10);
		if (end == at)
			return 0;
		if (innermost_pid(child) == own_pid)
			return child;
	}
}
