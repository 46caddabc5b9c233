/* Is a server ready? See ready.h. Called by drive.c. */
#include "launch/ready.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/size.h"

#define CONNECT_MS 1000 /* a port that answers later does so at the next look */

static bool connects(const struct addrinfo *address)
{
	int error = 0, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
		struct pollfd writable = {.fd = fd, .events = POLLOUT};
		socklen_t n = sizeof(error);
		error = errno;
		if (error == EINPROGRESS && poll(&writable, 1, CONNECT_MS) == 1)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
	}
	close(fd);
	return error == 0;
}

/* What stands before the colon, without the brackets of an IPv6 address; empty: this machine. */
static void host_of(char host[256], const char *port, const char *colon)
{
	int n = colon ? (int)(colon - port) : 0;
	bool brackets = n > 2 && port[0] == '[' && colon[-1] == ']';
	snprintf(host, 256, "%.*s", brackets ? n - 2 : n, brackets ? port + 1 : port);
}

/* Does anybody listen there? errors: USAGE when it is no port */
static int port_listens(const char *port, struct err *err)
{
	char host[256];
	const char *colon = strrchr(port, ':');
	const char *number = colon ? colon + 1 : port;
	struct addrinfo *list, wanted = {.ai_socktype = SOCK_STREAM};
	bool listens = false;
	uint64_t value;
	host_of(host, port, colon);
	if (!count_parse(number, UINT16_MAX, &value) || value == 0)
		return err_set(err, TIDEMARK_ERR_USAGE, "'%s' is no port; PORT or HOST:PORT is one", port);
	int error = getaddrinfo(*host ? host : NULL, number, &wanted, &list);
	if (error)
		return err_set(err, TIDEMARK_ERR_USAGE, "cannot find '%s': %s", port, gai_strerror(error));
	for (struct addrinfo *address = list; address && !listens; address = address->ai_next)
		listens = connects(address);
	freeaddrinfo(list);
	return listens;
}

int ready_prepare(const struct ready_options *options, struct err *err)
{
	int result = options->port ? port_listens(options->port, err) : 0;
	if (result > 0)
		return err_set(err, TIDEMARK_ERR_USAGE,
		    "port %s is in use before the server was started: stop what listens there", options->port);
	return result;
}

static int look_by_command(struct ready *ready, struct err *err)
{
	if (!ready->options->command || ready->command_held)
		return 1;
	if (ready->pid)
		return 0;
	const struct child_options child = {.in = -1, .out = -1, .err = -1, .mask = ready->mask};
	pid_t pid = child_start_shell(ready->options->command, 0, 0, &child, err);
	if (pid < 0)
		return pid;
	ready->pid = pid;
	return 0;
}

int ready_look(struct ready *ready, const struct server *server, struct err *err)
{
	if (ready->options->line && !server->line_seen)
		return 0;
	int listens = ready->options->port ? port_listens(ready->options->port, err) : 1;
	return listens == 1 ? look_by_command(ready, err) : listens;
}

bool ready_reaped(struct ready *ready, pid_t pid, int status)
{
	if (!ready->pid || pid != ready->pid)
		return false;
	ready->pid = 0;
	ready->tried = true;
	ready->status = status;
	ready->command_held = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return true;
}

const char *ready_missing(const struct ready *ready, const struct server *server, char text[READY_TEXT_BYTES])
{
	const struct ready_options *options = ready->options;
	char fate[CHILD_FATE_BYTES];
	if (options->line && !server->line_seen)
		snprintf(text, READY_TEXT_BYTES, "no line of its output has '%s' in it", options->line);
	else if (options->port && port_listens(options->port, NULL) != 1)
		snprintf(text, READY_TEXT_BYTES, "nothing listens on port %s", options->port);
	else if (ready->tried)
		snprintf(text, READY_TEXT_BYTES, "'%s' %s at its last try", options->command,
		    child_fate(fate, ready->status));
	else
		snprintf(text, READY_TEXT_BYTES, "'%s' has not ended", options->command);
	return text;
}

void ready_release(struct ready *ready)
{
	if (!ready->pid)
		return;
	child_kill(ready->pid, SIGKILL);
	waitpid(ready->pid, NULL, 0);
	ready->pid = 0;
}
