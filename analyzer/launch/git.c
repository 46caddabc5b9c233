/* Running git: see git.h. */
#include "launch/git.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"

#define MAX_ARGUMENTS 30

/* Copies the words so that no const is cast away; posix_spawn leaves them alone anyway. */
static int spawn(const char *const *arguments, posix_spawn_file_actions_t *actions, pid_t *pid)
{
	char *argv[MAX_ARGUMENTS + 2] = {strdup("git")};
	int result = argv[0] ? 0 : ENOMEM;
	for (size_t i = 0; arguments[i] && !result; i++) {
		argv[i + 1] = i < MAX_ARGUMENTS ? strdup(arguments[i]) : NULL;
		result = argv[i + 1] ? 0 : ENOMEM;
	}
	if (!result)
		result = posix_spawnp(pid, "git", actions, NULL, argv, environ);
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	return result;
}

static int wait_for(pid_t pid, struct err *err)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(err, "cannot wait for git");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int read_all(int fd, char **out, struct err *err)
{
	char *text = NULL;
	size_t capacity = 0, n = 0;
	ssize_t got = 0;
	do {
		n += (size_t)got;
		if (ARRAY_RESERVE(text, capacity, n + 4096) < 0) {
			free(text);
			return err_memory(err);
		}
		got = read(fd, text + n, capacity - n - 1);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			break;
	} while (true);
	text[n] = 0;
	if (n && text[n - 1] == '\n')
		text[n - 1] = 0;
	*out = text;
	return 0;
}

int git_ask(const char *const *arguments, char **out, struct err *err)
{
	int ends[2];
	pid_t pid;
	if (out)
		*out = NULL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	int failure = spawn(arguments, &actions, &pid);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	char *text = NULL;
	int result = failure ? 127 : read_all(ends[0], &text, err);
	close(ends[0]);
	if (!failure) {
		int status = wait_for(pid, err);
		result = result < 0 ? result : status;
	}
	if (out && result >= 0)
		*out = text;
	else
		free(text);
	return result;
}
