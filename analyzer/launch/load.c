/* Clients that perform operations on a server: see load.h. Called by drive.c. */
#include "launch/load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 1000 /* for helpers to end when their input does */

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int start_helper(struct load *load, size_t i, struct err *err)
{
	int to[2], from[2];
	if (child_pipe(to, err) < 0)
		return TIDEMARK_ERR_SYSTEM;
	if (child_pipe(from, err) < 0) {
		close(to[0]);
		close(to[1]);
		return TIDEMARK_ERR_SYSTEM;
	}
	struct client *client = &load->clients[i];
	const struct child_options child = {
	    .in = to[0], .out = from[1], .err = STDERR_FILENO, .mask = load->options->mask};
	pid_t pid = child_start_shell(load->options->helper, i + 1, load->options->n_clients, &child, err);
	close(to[0]);
	close(from[1]);
	client->to = to[1];
	client->from = from[0];
	fcntl(client->from, F_SETFL, O_NONBLOCK);
	client->pid = pid > 0 ? pid : 0;
	return pid < 0 ? pid : 0;
}

int load_start(struct load *load, const struct load_options *options, struct err *err)
{
	*load = (struct load){.options = options};
	load->clients = calloc(options->n_clients, sizeof(*load->clients));
	if (!load->clients)
		return err_memory(err);
	for (size_t i = 0; i < options->n_clients; i++)
		load->clients[i].to = load->clients[i].from = -1;
	int result = 0;
	for (size_t i = 0; options->helper && i < options->n_clients && !result; i++)
		result = start_helper(load, i, err);
	return result;
}

static int ask_helper(struct client *client, struct err *err)
{
	char line[32];
	size_t n = (size_t)snprintf(line, sizeof(line), "%" PRIu64 "\n", client->operation);
	ssize_t written;
	do
		written = write(client->to, line, n); /* a pipe takes a line as a whole, pipe(7) */
	while (written < 0 && errno == EINTR);
	/* A helper that is gone says why by its status, which comes as a signal; see load_reaped. */
	return written == (ssize_t)n || errno == EPIPE ? 0 : err_errno(err, "cannot write to a helper");
}

static int run_command(const struct load *load, size_t i, struct err *err)
{
	struct client *client = &load->clients[i];
	const struct child_options child = {.in = -1, .out = -1, .err = STDERR_FILENO, .mask = load->options->mask};
	pid_t pid = child_start_shell(load->options->command, client->operation, i + 1, &child, err);
	client->pid = pid > 0 ? pid : 0;
	return pid < 0 ? pid : 0;
}

/* The idle one whose last operation is the oldest: first of all those that have not performed any. */
static size_t next_client(const struct load *load)
{
	size_t next = SIZE_MAX;
	for (size_t i = 0; i < load->options->n_clients; i++)
		if (!load->clients[i].busy &&
		    (next == SIZE_MAX || load->clients[i].operation < load->clients[next].operation))
			next = i;
	return next;
}

int load_begin(struct load *load, struct err *err)
{
	size_t i = next_client(load);
	struct client *client = &load->clients[i];
	client->busy = true;
	client->operation = ++load->n_begun;
	client->since_ns = now_ns();
	load->n_busy++;
	return load->options->helper ? ask_helper(client, err) : run_command(load, i, err);
}

static void finish(struct load *load, struct client *client)
{
	client->busy = false;
	load->n_busy--;
	load->n_done++;
}

void load_poll(const struct load *load, struct pollfd *fds)
{
	for (size_t i = 0; i < load->options->n_clients; i++)
		fds[i] = (struct pollfd){.fd = load->clients[i].from, .events = POLLIN};
}

int load_answered(struct load *load, size_t i, struct err *err)
{
	struct client *client = &load->clients[i];
	char text[4096];
	ssize_t n;
	while ((n = read(client->from, text, sizeof(text))) > 0)
		for (const char *p = text; (p = memchr(p, '\n', (size_t)(text + n - p))); p++) {
			if (!client->busy)
				return err_set(err, TIDEMARK_ERR_USAGE,
				    "the helper '%s' prints more lines than it reads; "
				    "it must answer each line with one line, and print none at its start",
				    load->options->helper);
			finish(load, client);
		}
	if (n == 0) { /* its status tells more, and comes as a signal */
		close(client->from);
		client->from = -1;
	}
	return 0;
}

int load_reaped(struct load *load, pid_t pid, int status, struct err *err)
{
	const struct load_options *options = load->options;
	char fate[CHILD_FATE_BYTES];
	for (size_t i = 0; load->clients && i < options->n_clients; i++) {
		struct client *client = &load->clients[i];
		if (client->pid != pid)
			continue;
		client->pid = 0;
		child_fate(fate, status);
		if (options->helper)
			return err_set(err, TIDEMARK_ERR_NOT_FOUND, "the helper '%s' %s, %s operation %" PRIu64,
			    options->helper, fate, client->busy ? "in" : "after", client->operation);
		if (status != 0)
			return err_set(err, TIDEMARK_ERR_NOT_FOUND, "operation %" PRIu64 " failed: '%s' %s",
			    client->operation, options->command, fate);
		finish(load, client);
		return 1;
	}
	return 0;
}

uint64_t load_deadline(const struct load *load)
{
	uint64_t earliest = UINT64_MAX;
	for (size_t i = 0; load->n_busy && i < load->options->n_clients; i++)
		if (load->clients[i].busy && load->clients[i].since_ns < earliest)
			earliest = load->clients[i].since_ns;
	return earliest == UINT64_MAX ? earliest : earliest + load->options->timeout_ns;
}

int load_timed_out(const struct load *load, struct err *err)
{
	const struct client *slowest = NULL;
	for (size_t i = 0; i < load->options->n_clients; i++)
		if (load->clients[i].busy && (!slowest || load->clients[i].since_ns < slowest->since_ns))
			slowest = &load->clients[i];
	return err_set(err, TIDEMARK_ERR_NOT_FOUND, "operation %" PRIu64 " is not done after %" PRIu64 " s",
	    slowest ? slowest->operation : load->n_begun, load->options->timeout_ns / 1000000000u);
}

/* Nothing but our own clients is reaped here; the kill makes the wait short. */
static void end_client(struct client *client, bool may_wait)
{
	struct timespec pause = {.tv_nsec = 10000000};
	for (int i = 0; may_wait && i < GRACE_MS / 10; i++) {
		if (waitpid(client->pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	child_kill(client->pid, SIGKILL);
	waitpid(client->pid, NULL, 0);
}

void load_release(struct load *load)
{
	if (!load->clients)
		return;
	for (size_t i = 0; i < load->options->n_clients; i++)
		if (load->clients[i].to >= 0)
			close(load->clients[i].to);
	for (size_t i = 0; i < load->options->n_clients; i++) {
		struct client *client = &load->clients[i];
		if (client->pid)
			end_client(client, load->options->helper && !client->busy);
		if (client->from >= 0)
			close(client->from);
	}
	free(load->clients);
	*load = (struct load){0};
}
