/* Which file a command runs, and whether it can be recorded: see target.h. Called by cmd_record before anything starts.
 */
#include "launch/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "launch/elf_look.h"

#define MAX_INTERPRETERS 5 /* the kernel follows four; see exec_binprm() */

static bool is_regular(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static enum target_verdict refuse_errno(const char *name, int error, struct err *err)
{
	errno = error;
	err_errno(err, "cannot run '%s'", name);
	return error == ENOENT || error == ENOTDIR ? TARGET_NOT_FOUND : TARGET_NOT_EXECUTABLE;
}

static enum target_verdict find_here(const char *name, char path[PATH_MAX], struct err *err)
{
	struct stat st;
	if (strlen(name) >= PATH_MAX)
		return refuse_errno(name, ENAMETOOLONG, err);
	strcpy(path, name);
	if (stat(path, &st) < 0)
		return refuse_errno(name, errno, err);
	if (S_ISDIR(st.st_mode))
		return refuse_errno(name, EISDIR, err);
	if (access(path, X_OK) < 0)
		return refuse_errno(name, errno, err);
	return TARGET_OK;
}

enum target_verdict target_find(const char *name, char path[PATH_MAX], struct err *err)
{
	if (strchr(name, '/'))
		return find_here(name, path, err);
	const char *folders = getenv("PATH");
	if (!folders)
		folders = "/bin:/usr/bin"; /* as execvp(3) */
	int error = ENOENT;
	for (const char *folder = folders; *name;) {
		size_t n = strcspn(folder, ":");
		/* an empty entry is the current folder */
		int length = snprintf(path, PATH_MAX, "%.*s%s%s", (int)n, folder, n ? "/" : "", name);
		if (length < PATH_MAX && access(path, X_OK) == 0 && is_regular(path))
			return TARGET_OK;
		if (length < PATH_MAX && is_regular(path))
			error = EACCES;
		if (!folder[n])
			break;
		folder += n + 1;
	}
	if (error == EACCES)
		return refuse_errno(name, error, err);
	err_set(err, TIDEMARK_ERR_NOT_FOUND, "cannot find '%s' in PATH", name);
	return TARGET_NOT_FOUND;
}

/* Privileged programs are refused for everybody: whether the loader heeds LD_PRELOAD depends on who runs them, from
 * which mount and with which flags, and a trace that depends on that surprises more than a refusal. NULL when it has
 * none. */
static const char *privilege(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return NULL;
	if (st.st_mode & S_ISUID)
		return "setuid";
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return "setgid";
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "given file capabilities";
	return NULL;
}

static enum target_verdict refuse(const char *subject, struct err *err, const char *why, const char *remedy)
{
	err_set(err, TIDEMARK_ERR_USAGE, "cannot record %s: it is %s%s", subject, why, remedy);
	return TARGET_UNTRACEABLE;
}

static enum target_verdict check_elf(const char *subject, int fd, struct err *err)
{
	struct elf_look look;
	if (!elf_look(&look, fd))
		return TARGET_OK; /* no ELF file: the kernel, or a binfmt handler, knows what to do */
	if (look.foreign)
		return refuse(subject, err, look.text, "; this tidemark records " ELF_LOOK_NATIVE " programs only");
	if (look.kind == ELF_LOOK_STATIC)
		return refuse(
		    subject, err, "statically linked", ", so that no library can be preloaded; link it dynamically");
	if (look.kind == ELF_LOOK_MUSL)
		return refuse(subject, err, "linked with musl", ", and the library needs glibc; build it for glibc");
	if (look.kind == ELF_LOOK_SANITIZED)
		return refuse(subject, err, look.text, ", which replaces malloc itself; build it without");
	if (look.kind == ELF_LOOK_OWN_MALLOC)
		return refuse(subject, err, "built with a malloc of its own",
		    ", which comes before any preloaded one; link its allocator as a shared library, or use the system's");
	if (look.interpreter[0] && access(look.interpreter, F_OK) < 0) {
		err_set(err, TIDEMARK_ERR_NOT_FOUND, "cannot run %s: its loader '%s' does not exist", subject,
		    look.interpreter);
		return TARGET_NOT_FOUND;
	}
	return TARGET_OK;
}

static char *next_word(char **text)
{
	*text += strspn(*text, " \t");
	if (!**text)
		return NULL;
	char *word = *text;
	*text += strcspn(*text, " \t");
	if (**text)
		*(*text)++ = '\0';
	return word;
}

/* `env [-S] [-i] [NAME=VALUE...] PROGRAM`, as found behind #!; the program's path, or false when it cannot be told. */
static bool program_of_env(char *arguments, char path[PATH_MAX])
{
	char *word;
	while ((word = next_word(&arguments))) {
		if (!strncmp(word, "-S", 2) && word[2])
			word += 2;
		else if (!strncmp(word, "--split-string=", 15))
			word += 15;
		if (!strcmp(word, "-u") || !strcmp(word, "-C")) { /* these take a word */
			next_word(&arguments);
			continue;
		}
		if (word[0] != '-' && !strchr(word, '='))
			return target_find(word, path, NULL) == TARGET_OK;
	}
	return false;
}

/* The kernel reads at most 255 bytes of the line, BINPRM_BUF_SIZE. returns: false when the file is no script */
static bool read_script(int fd, char line[256])
{
	ssize_t n = pread(fd, line, 255, 0);
	if (n < 2 || line[0] != '#' || line[1] != '!')
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	size_t length = strlen(line);
	while (length > 2 && strchr(" \t\r", line[length - 1]) && line[length - 1] != '\r')
		line[--length] = '\0';
	return true;
}

static enum target_verdict check_file(const char *name, const char *path, int level, struct err *err);

static enum target_verdict check_script(const char *name, char *line, int level, struct err *err)
{
	char *rest = line + 2, program[PATH_MAX];
	const char *interpreter = next_word(&rest);
	if (!interpreter)
		return TARGET_OK;
	if (access(interpreter, F_OK) < 0) {
		err_set(err, TIDEMARK_ERR_NOT_FOUND, "cannot run '%s': its interpreter '%s' does not exist", name,
		    interpreter);
		return TARGET_NOT_FOUND;
	}
	enum target_verdict verdict = check_file(name, interpreter, level + 1, err);
	const char *slash = strrchr(interpreter, '/');
	if (verdict == TARGET_OK && !strcmp(slash ? slash + 1 : interpreter, "env") && program_of_env(rest, program))
		verdict = check_file(name, program, level + 1, err);
	return verdict;
}

static enum target_verdict check_file(const char *name, const char *path, int level, struct err *err)
{
	char line[256], subject[2 * PATH_MAX];
	if (level)
		snprintf(subject, sizeof(subject), "'%s', run by '%s'", name, path);
	else
		snprintf(subject, sizeof(subject), "'%s'", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || level > MAX_INTERPRETERS) {
		if (fd >= 0)
			close(fd);
		return TARGET_OK;
	}
	enum target_verdict verdict;
	if (read_script(fd, line)) {
		close(fd);
		return check_script(name, line, level, err);
	}
	const char *reason = privilege(fd);
	if (reason)
		verdict = refuse(subject, err, reason,
		    ", and the loader ignores LD_PRELOAD for such programs; record a copy without privileges");
	else
		verdict = check_elf(subject, fd, err);
	close(fd);
	return verdict;
}

enum target_verdict target_check(const char *name, const char *path, struct err *err)
{
	return check_file(name, path, 0, err);
}
