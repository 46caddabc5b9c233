/* Trace files as bytes: see source.h. pread rather than mmap: a file that is cut while we read must not kill us. */
#include "core/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS 10000000000ull
#define WAIT_STEP_NS 20000000u

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void wait_for_writer(int fd, const char *path, void (*waiting)(const char *path))
{
	if (!flock(fd, LOCK_SH | LOCK_NB) || errno != EWOULDBLOCK)
		return;
	if (waiting)
		waiting(path);
	uint64_t start = now_ns();
	while (flock(fd, LOCK_SH | LOCK_NB) < 0 && now_ns() - start < WAIT_NS)
		nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
}

static int copy_all(int from, int to)
{
	static char buffer[1 << 16];
	for (;;) {
		ssize_t got = read(from, buffer, sizeof(buffer));
		if (got == 0)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || write(to, buffer, (size_t)got) != got)
			return -1;
	}
}

/* returns: a descriptor that can be read at any offset, holding what the pipe `fd` delivers; closes fd */
static int copy_pipe(int fd, const char *path, struct err *err)
{
	int copy = memfd_create("tidemark-trace", MFD_CLOEXEC);
	int result = copy < 0 || copy_all(fd, copy) < 0 ? err_errno(err, "cannot read '%s'", path) : copy;
	if (result < 0 && copy >= 0)
		close(copy);
	close(fd);
	return result;
}

int source_open(const char *path, void (*waiting)(const char *path), struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	struct stat status;
	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
		close(fd);
		errno = EISDIR;
		return err_errno(err, "cannot read '%s'", path);
	}
	if (lseek(fd, 0, SEEK_CUR) < 0)
		return copy_pipe(fd, path, err);
	wait_for_writer(fd, path, waiting);
	return fd;
}

int source_read(int fd, void *buffer, uint64_t bytes, uint64_t offset, struct err *err)
{
	for (char *at = buffer; bytes;) {
		ssize_t got = pread(fd, at, bytes, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "cannot read the trace");
		if (got == 0)
			return err_set(err, TIDEMARK_ERR_CORRUPT, "the file became shorter");
		at += got;
		bytes -= (uint64_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

int64_t source_size(int fd, struct err *err)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return err_errno(err, "cannot read the trace");
	return status.st_size;
}
