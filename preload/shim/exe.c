/* The program's file is what the kernel says, with two exceptions: where /proc is not mounted, and where the loader was
 * called as a command, so that the kernel knows only the loader. Then it is the name that the program was called by. */
#include "exe.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#define PATH_BYTES 4096u

static char path[PATH_BYTES];

/* The kernel tells the loader's address only to programs that name a loader. */
static bool loader_is_command(void)
{
	return getauxval(AT_BASE) == 0;
}

static void take_kernels(void)
{
	long n = SYS4(readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
}

/* A relative name stands behind the folder that the program was started in. */
static void take_name(const char *name)
{
	size_t length = strnlen(name, sizeof(path)), at = 0;
	if (name[0] != '/') {
		long got = SYS2(getcwd, path, sizeof(path)); /* with the NUL; getcwd(3) may allocate */
		if (got > 1 && path[0] == '/') {
			at = (size_t)got;
			path[at - 1] = '/';
		}
	}
	if (at + length < sizeof(path))
		memcpy(path + at, name, length + 1);
	else
		path[0] = 0;
}

const char *exe_path(void)
{
	const char *name = (const char *)getauxval(AT_EXECFN);
	if (path[0])
		return path;
	if (!loader_is_command())
		take_kernels();
	if (!path[0] && name)
		take_name(name);
	return path;
}
