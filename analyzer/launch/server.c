/* The server that `tidemark drive` runs: see server.h. Called by drive.c. */
#include "launch/server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* In the child: the collector must know its root before the library speaks up in it. */
static int enter_recording(void *arg, pid_t self)
{
	const struct server_options *options = arg;
	recording_root(options->recording, self);
	return recording_environment(options->recording, options->recording_options, NULL);
}

int server_start(struct server *server, const struct server_options *options, struct err *err)
{
	int ends[2];
	*server = (struct server){.output = -1, .log = options->log, .wanted = options->wanted};
	int result = child_pipe(ends, err);
	if (result < 0)
		return result;
	const struct child_options child = {.path = options->path,
	    .argv = options->argv,
	    .in = -1,
	    .out = ends[1],
	    .err = ends[1],
	    .mask = options->mask,
	    .sigchld = options->sigchld,
	    .prepare = enter_recording,
	    .arg = (void *)(uintptr_t)options};
	server->pid = child_start(&child, err);
	close(ends[1]);
	server->output = ends[0];
	fcntl(server->output, F_SETFL, O_NONBLOCK);
	return server->pid < 0 ? server->pid : 0;
}

static void look_for_line(struct server *server, const char *text, size_t n)
{
	for (size_t i = 0; i < n && !server->line_seen; i++) {
		if (text[i] != '\n') {
			if (server->n_line < sizeof(server->line) - 1)
				server->line[server->n_line++] = text[i];
			continue;
		}
		server->line[server->n_line] = '\0';
		server->line_seen = strstr(server->line, server->wanted) != NULL;
		server->n_line = 0;
	}
}

/* Whoever reads our stderr may have gone: then its output is lost, and the server runs on. */
static void pass_on(int log, const char *text, size_t n)
{
	while (n) {
		ssize_t written = write(log, text, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		n -= (size_t)written;
	}
}

void server_forward(struct server *server)
{
	char text[4096];
	ssize_t n;
	if (server->output < 0)
		return;
	while ((n = read(server->output, text, sizeof(text))) > 0) {
		pass_on(server->log, text, (size_t)n);
		if (server->wanted)
			look_for_line(server, text, (size_t)n);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	close(server->output);
	server->output = -1;
}

void server_release(struct server *server)
{
	server_forward(server);
	if (server->output >= 0)
		close(server->output);
	server->output = -1;
}
