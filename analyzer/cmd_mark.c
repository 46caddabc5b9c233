/* tidemark mark: put a named instant, or "N operations done", into a running recording.
 * Enters: a process or its trace, a name. Leaves: the mark, once it stands in the merged order. threads: one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/option.h"
#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "launch/session_client.h"
#include "tidemark/ring.h"
#include "tidemark/trace.h"

#define ANSWER_TIMEOUT_MS 10000 /* a mark stands within milliseconds; a collector stuck on its disk may take longer */
#define MAX_SESSIONS 256
#define APPEARS_MS 1000 /* a trace does so within 250 ms of the program's first allocation */
#define LOOK_MS 10

struct mark {
	pid_t pid;
	uint64_t ops;
	const char *name;
	struct pollfd asked[MAX_SESSIONS]; /* connections on which no answer has come yet */
	nfds_t n_asked;
	bool placed;    /* a session took it */
	struct err err; /* why the session that knows the process did not */
};

/* Ask one session. returns: whether no more can be asked */
static bool ask(void *arg, const char *session)
{
	struct mark *mark = arg;
	struct tidemark_message message = {.kind = TIDEMARK_MESSAGE_MARK, .pid = mark->pid, .value = mark->ops};
	int connection = session_connect(session, NULL);
	if (connection < 0)
		return false;
	snprintf(message.text, sizeof(message.text), "%s", mark->name);
	if (session_send(connection, &message, NULL) < 0)
		close(connection);
	else
		mark->asked[mark->n_asked++] = (struct pollfd){.fd = connection, .events = POLLIN};
	return mark->n_asked == MAX_SESSIONS;
}

/* returns: whether this session knows the process, so that the others need not be heard */
static bool take_answer(struct mark *mark, int connection)
{
	struct tidemark_message answer;
	int result = session_receive(connection, &answer, &mark->err);
	if (result < 0)
		return true;
	if (result == 0 || answer.kind != TIDEMARK_MESSAGE_DONE || (answer.value & TIDEMARK_DONE_UNKNOWN))
		return false;
	mark->placed = answer.value == 0;
	if (!mark->placed)
		err_set(&mark->err, TIDEMARK_ERR_SYSTEM, "cannot put the mark: %s",
		    answer.text[0] ? answer.text : "the recording has stopped");
	return true;
}

static void hang_up(struct mark *mark)
{
	while (mark->n_asked)
		close(mark->asked[--mark->n_asked].fd);
}

/* Hear all that were asked, in the order in which they answer: one that is stuck holds nobody up but itself.
 * returns: whether the mark was dealt with */
static bool hear(struct mark *mark)
{
	bool known = false;
	while (mark->n_asked && !known) {
		int ready = poll(mark->asked, mark->n_asked, ANSWER_TIMEOUT_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0) {
			err_set(&mark->err, TIDEMARK_ERR_SYSTEM,
			    "a collector does not answer; the mark may come late, or never");
			known = true;
		}
		for (nfds_t i = mark->n_asked; i-- > 0 && !known;) {
			if (!mark->asked[i].revents)
				continue;
			known = take_answer(mark, mark->asked[i].fd);
			close(mark->asked[i].fd);
			mark->asked[i] = mark->asked[--mark->n_asked];
		}
	}
	hang_up(mark);
	return known;
}

/* The session that a process was started in; empty when it cannot be told. In env-only mode the first process has the
 * name only in its memory, and a process may have changed what stands here. */
static void session_of_environment(pid_t pid, char session[SESSION_NAME_BYTES])
{
	static const char wanted[] = "TIDEMARK_SESSION=";
	char path[64], *line = NULL;
	size_t capacity = 0;
	session[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	FILE *file = fopen(path, "re");
	while (file && getdelim(&line, &capacity, '\0', file) > 0)
		if (!strncmp(line, wanted, sizeof(wanted) - 1))
			snprintf(session, SESSION_NAME_BYTES, "%s", line + sizeof(wanted) - 1);
	free(line);
	if (file)
		fclose(file);
}

static int put_mark(struct mark *mark)
{
	char session[SESSION_NAME_BYTES];
	session_of_environment(mark->pid, session);
	if (session[0])
		ask(mark, session);
	if (!hear(mark)) {
		session_each(ask, mark);
		hear(mark);
	}
	if (mark->placed)
		return CMD_OK;
	if (mark->err.code)
		return say_err(&mark->err);
	if (kill(mark->pid, 0) < 0 && errno == ESRCH)
		say("no process %d", (int)mark->pid);
	else
		say("process %d is not being recorded by this user", (int)mark->pid);
	return CMD_TROUBLE;
}

/* A program that has just been started may have no trace yet. */
static int open_soon(const char *path)
{
	int fd;
	for (int waited = 0; (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0; waited += LOOK_MS) {
		if (errno != ENOENT || waited == APPEARS_MS)
			break;
		poll(NULL, 0, LOOK_MS);
		errno = ENOENT;
	}
	return fd;
}

/* The process whose trace is being written to `path`. */
static int pid_of_trace(const char *path, pid_t *pid, struct err *err)
{
	struct tidemark_file_header header;
	int fd = open_soon(path);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	ssize_t n = pread(fd, &header, sizeof(header), 0);
	bool over = flock(fd, LOCK_SH | LOCK_NB) == 0;
	close(fd);
	if (n != sizeof(header) || memcmp(header.magic, TIDEMARK_TRACE_MAGIC, sizeof(header.magic)) != 0)
		return err_set(err, TIDEMARK_ERR_NOT_TRACE, "'%s' is no trace", path);
	if (over)
		return err_set(err, TIDEMARK_ERR_USAGE, "the recording of '%s' is over", path);
	*pid = (pid_t)header.pid;
	return 0;
}

static int find_process(const char *operand, pid_t *pid, struct err *err)
{
	uint64_t number;
	if (!count_parse(operand, INT32_MAX, &number))
		return pid_of_trace(operand, pid, err);
	if (number == 0)
		return err_set(err, TIDEMARK_ERR_USAGE, "'0' is no process");
	*pid = (pid_t)number;
	return 0;
}

static int check_name(const char *name, struct err *err)
{
	if (!*name)
		return err_set(err, TIDEMARK_ERR_USAGE, "a mark needs a name");
	if (strlen(name) >= TIDEMARK_NAME_BYTES)
		return err_set(
		    err, TIDEMARK_ERR_USAGE, "the mark's name is longer than %u bytes", TIDEMARK_NAME_BYTES - 1);
	return 0;
}

int cmd_mark(int argc, char **argv)
{
	struct mark mark = {0};
	struct err err = {0};
	const struct option rows[] = {
	    {"ops", 0, OPTION_NUMBER, &mark.ops, "N", "N operations were done since the last such mark", 1, 0},
	    {NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0},
	};
	const struct option_table table = {
	    .synopsis = "mark [OPTION...] PID|FILE NAME",
	    .purpose = "Put a mark into a running recording, of process PID or into trace FILE.",
	    .options = rows,
	};
	int n = option_parse(&table, argc, argv, &err);
	if (n == OPTION_HELP_SHOWN)
		return CMD_OK;
	if (n >= 0 && n != 2)
		err_set(
		    &err, TIDEMARK_ERR_USAGE, "mark needs a process or a trace, and a name; see tidemark mark --help");
	if (n != 2 || check_name(argv[2], &err) < 0 || find_process(argv[1], &mark.pid, &err) < 0)
		return say_err(&err);
	mark.name = argv[2];
	return put_mark(&mark);
}
