#include "resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 16384u
#define MAX_LINE_BYTES (1u << 20)

/* ---- the process ---- */

/* tidemark beside the collector, or in bin when the collector is in lib/tidemark. */
static bool find_command(char *path, size_t capacity)
{
	char self[3800];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return false;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, capacity, "%s/tidemark", self);
	if (access(path, X_OK) == 0)
		return true;
	snprintf(path, capacity, "%s/../../bin/tidemark", self);
	return access(path, X_OK) == 0;
}

/* vfork: a copy of the page tables of a big collector would take long. The child calls nothing but system calls. */
static pid_t spawn(const char *path, int in, int out)
{
	char *const argv[] = {"tidemark", "symbolize", NULL};
	sigset_t call;
	sigemptyset(&call);
	sigaddset(&call, SIGCONT);
	pid_t pid = vfork();
	if (pid != 0)
		return pid;
	sigprocmask(SIG_BLOCK, &call, NULL); /* a call that comes too early waits until it is listened to */
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	execv(path, argv);
	_exit(127);
}

int resolver_start(struct resolver *r)
{
	char path[4096];
	int to[2], from[2];
	if (!find_command(path, sizeof(path)) || pipe2(to, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(from, O_CLOEXEC) < 0) {
		close(to[0]);
		close(to[1]);
		return -1;
	}
	r->pid = spawn(path, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	r->to = to[1];
	r->from = from[0];
	if (r->pid < 0) {
		resolver_stop(r);
		return -1;
	}
	fcntl(r->to, F_SETFL, O_NONBLOCK);
	fcntl(r->from, F_SETFL, O_NONBLOCK);
	return 0;
}

void resolver_stop(struct resolver *r)
{
	if (r->to >= 0)
		close(r->to);
	if (r->from >= 0)
		close(r->from);
	r->to = r->from = -1;
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	r->pid = 0;
	r->is_hurried = false;
	r->out.n = r->in.n = r->out_done = r->in_done = 0;
}

void resolver_hurry(struct resolver *r)
{
	if (r->pid > 0 && !r->is_hurried)
		kill(r->pid, SIGCONT);
	r->is_hurried = r->pid > 0;
}

/* ---- sending ---- */

void resolver_put_word(struct resolver *r, const char *word)
{
	bytes_add(&r->out, word, strlen(word));
}

void resolver_put_field(struct resolver *r, const char *text)
{
	bytes_add_byte(&r->out, '\t');
	for (const char *p = text; *p; p++) {
		char hex[8];
		if (*p == '\\')
			bytes_add(&r->out, "\\\\", 2);
		else if ((unsigned char)*p >= 32)
			bytes_add_byte(&r->out, (uint8_t)*p);
		else
			bytes_add(&r->out, hex, (size_t)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)*p));
	}
}

void resolver_put_number(struct resolver *r, const char *format, unsigned long long value)
{
	char text[32];
	snprintf(text, sizeof(text), format, value);
	resolver_put_field(r, text);
}

void resolver_end_line(struct resolver *r)
{
	bytes_add_byte(&r->out, '\n');
}

int resolver_send(struct resolver *r)
{
	if (r->out.bad)
		return -1;
	while (r->out_done < r->out.n) {
		ssize_t n = write(r->to, r->out.data + r->out_done, r->out.n - r->out_done);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		r->out_done += (size_t)n;
	}
	r->out.n = r->out_done = 0;
	return 1;
}

/* ---- receiving ---- */

int resolver_receive(struct resolver *r)
{
	if (r->in_done) {
		memmove(r->in.data, r->in.data + r->in_done, r->in.n - r->in_done);
		r->in.n -= r->in_done;
		r->in_done = 0;
	}
	if (r->in.n >= MAX_LINE_BYTES)
		return -1;
	while (r->in.n < MAX_LINE_BYTES) {
		uint8_t *at = bytes_room(&r->in, READ_BYTES);
		if (!at)
			return -1;
		ssize_t n = read(r->from, at, READ_BYTES);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (n == 0)
			return -1;
		r->in.n += (size_t)n;
	}
	return 0;
}

char *resolver_line(struct resolver *r)
{
	char *line = (char *)r->in.data + r->in_done;
	char *end = r->in.n > r->in_done ? memchr(line, '\n', r->in.n - r->in_done) : NULL;
	if (!end)
		return NULL;
	*end = '\0';
	r->in_done += (size_t)(end + 1 - line);
	return line;
}

int resolver_split(char *line, char **fields, int max)
{
	int n = 0;
	for (char *at = line; at && n < max;) {
		fields[n++] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = '\0';
	}
	return n;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

size_t resolver_unescape(char *text)
{
	char *to = text;
	for (const char *p = text; *p; p++) {
		if (*p != '\\') {
			*to++ = *p;
		} else if (p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
			*to++ = (char)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
			p += 3;
		} else if (p[1]) {
			p++;
			*to++ = *p == 't' ? '\t' : *p == 'n' ? '\n' : *p;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

void resolver_poll(const struct resolver *r, struct pollfd *fds)
{
	bool unsent = r->out_done < r->out.n;
	fds[0] = (struct pollfd){.fd = r->from, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = unsent ? r->to : -1, .events = POLLOUT};
}
