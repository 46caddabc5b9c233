#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drain.h"
#include "ends.h"
#include "events.h"
#include "recorded.h"
#include "tidemark/session.h"
#include "watch.h"
#include "writer.h"

#define FIRST_CONTACT_NS 3000000000ull /* the starter connects at once, unless it was killed */
#define LAST_GRACE_NS 500000000ull     /* a child may have execed and not yet said so */
#define PROGRESS_NS 1000000000ull
#define CHILDREN_WAIT_NS 400000000ull /* longer than it can take to find out how a dead child ended */
#define MAX_CONNECTIONS 512u
#define MAX_ANCESTORS 64u

struct connection {
	struct connection *next;
	int fd;
	struct ucred peer;
	bool closed;
	bool is_awaited; /* it started us, and has yet to say what for */
	bool is_root;    /* sent ROOT */
	pid_t root_pid;
	bool has_status, has_swept; /* STATUS came; everything that was sent before it is taken in */
	bool is_answered;
	int status;
	uint64_t progress_ns, done_ns; /* done: the root's files are closed since; 0: not yet */
	bool has_mark;
	struct tidemark_message mark;
};

struct image *control_images;

static struct {
	int listen_fd, spare_fd;
	struct connection *connections;
	uint32_t n_connections;
	pid_t root_pid;
	uid_t other_uid; /* of descendants who dropped their privileges; 0: none */
	bool contacted;
	uint64_t start_ns, quiet_since_ns;
	uint32_t n_root_images;
	char refusal[200]; /* why the root's memory was not taken */
} control;

int control_init(int listen_fd)
{
	control.listen_fd = listen_fd;
	control.spare_fd = dup(listen_fd);
	control.start_ns = mono_ns();
	if (fcntl(listen_fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return events_add(listen_fd, EVENT_LISTEN, NULL);
}

int control_root_status(pid_t pid, int *status)
{
	for (struct connection *c = control.connections; c; c = c->next) {
		if (!c->is_root || c->root_pid != pid)
			continue;
		*status = c->status;
		return c->has_status;
	}
	return -1;
}

struct process *control_find_serial(uint64_t serial)
{
	for (struct image *image = control_images; image; image = image->next)
		for (uint32_t slot = 0; slot < image_slots_used(image); slot++)
			if (image->processes[slot] && image->processes[slot]->serial == serial)
				return image->processes[slot];
	return NULL;
}

/* ---- messages ---- */

/* returns: false when there is no room for it now: who is to read them was stopped, say */
static bool send_message(struct connection *c, uint32_t kind, uint64_t value, const char *text)
{
	struct tidemark_message message = {.magic = TIDEMARK_SESSION_MAGIC,
	    .version = TIDEMARK_SESSION_VERSION,
	    .kind = (uint16_t)kind,
	    .value = value};
	snprintf(message.text, sizeof(message.text), "%s", text);
	if (send(c->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN)
		return false;
	return c->closed = true;
}

/* Whoever ran in this pid before, runs no longer. returns: whether somebody did */
static bool end_former_images(pid_t pid)
{
	bool any = false;
	for (struct image *image = control_images; image; image = image->next) {
		watch_arrivals(image); /* a forked child's slot stood before its exec */
		for (uint32_t slot = 0; slot < image_slots_used(image); slot++) {
			struct process *p = image->processes[slot];
			bool same = p && (p->pid == pid || (p->pid == 0 && image->shares_pids && p->own_pid == pid));
			if (!same)
				continue;
			ends_by_exec(p, true); /* though the pid may be dead by now: that is the next image's end */
			any = true;
		}
	}
	return events_linger_end(pid) || any;
}

static void take_image(const struct connection *c, int memfd, int pidfd)
{
	const char *why;
	pid_t pid = c->peer.pid;
	pid_t sent = pidfd >= 0 ? procfs_pidfd_pid(pidfd) : 0;
	if (pidfd >= 0 && sent != pid && sent != -1) { /* -1: it is dead by now */
		close(pidfd);
		pidfd = -1;
	}
	if (pidfd < 0 && pid > 0)
		pidfd = procfs_pidfd(pid);
	struct image *image = image_new(memfd, pid, &why);
	if (!control.root_pid)
		control.root_pid = pid;
	bool is_root = pid == control.root_pid;
	if (!image) {
		if (is_root)
			snprintf(control.refusal, sizeof(control.refusal), "cannot record: %s", why);
		if (pidfd >= 0)
			close(pidfd);
		return;
	}
	bool execed = pid > 0 && end_former_images(pid);
	unsigned flags = (is_root ? PROCESS_ROOT : 0u) | (execed ? PROCESS_EXECED : 0u);
	struct process *p = process_new(image, 0, pid, pidfd, flags);
	if (!p) {
		image_free(image);
		return;
	}
	image->processes[0] = p;
	image->n_live = 1;
	control.n_root_images += is_root;
	image->shares_pids = pid > 0 && pid == p->own_pid;
	image->first_stat = p->first_stat;
	watch_pidfd(p);
	image->next = control_images;
	control_images = image;
}

static void take_message(struct connection *c, const struct tidemark_message *message, int *fds, int n_fds)
{
	switch (message->kind) {
	case TIDEMARK_MESSAGE_IMAGE:
		if (n_fds > 0) {
			take_image(c, fds[0], n_fds > 1 ? fds[1] : -1);
			fds[0] = fds[1] = -1;
		}
		break;
	case TIDEMARK_MESSAGE_ROOT:
		c->is_root = true;
		c->root_pid = message->pid;
		control.root_pid = message->pid;
		break;
	case TIDEMARK_MESSAGE_STATUS:
		c->has_status = c->is_root;
		c->status = (int)message->value;
		c->progress_ns = drain_state.now_ns + PROGRESS_NS;
		break;
	case TIDEMARK_MESSAGE_MARK:
		c->has_mark = true;
		c->mark = *message;
		c->mark.text[sizeof(c->mark.text) - 1] = '\0';
		break;
	default:
		break;
	}
}

/* The descriptors that came with a message, at most two; more are closed. */
static int take_descriptors(struct msghdr *header, int *fds)
{
	int n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n_sent = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n_sent; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < 2)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

/* Read all that a connection has to say. */
static void read_connection(struct connection *c)
{
	while (!c->closed) {
		struct tidemark_message message;
		_Alignas(struct cmsghdr) char control_data[CMSG_SPACE(8 * sizeof(int))];
		struct iovec part = {&message, sizeof(message)};
		struct msghdr header = {.msg_iov = &part,
		    .msg_iovlen = 1,
		    .msg_control = control_data,
		    .msg_controllen = sizeof(control_data)};
		int fds[2] = {-1, -1};
		ssize_t n = recvmsg(c->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			c->closed = true;
			return;
		}
		int n_fds = take_descriptors(&header, fds);
		c->is_awaited = false;
		bool good = n == sizeof(message) && message.magic == TIDEMARK_SESSION_MAGIC &&
		            message.version == TIDEMARK_SESSION_VERSION;
		if (good)
			take_message(c, &message, fds, n_fds);
		for (int i = 0; i < 2; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	}
}

/* ---- connections ---- */

/* All descriptors are in use: whoever waits is turned away, or the socket would wake us for ever. */
static void turn_away(void)
{
	close(control.spare_fd);
	close(accept(control.listen_fd, NULL, NULL));
	control.spare_fd = dup(control.listen_fd);
}

/* An image that execs has said so before the next one connects; it must be heard first. */
static void hear_earlier(void)
{
	for (struct connection *c = control.connections; c; c = c->next)
		read_connection(c);
}

/* A program that dropped its privileges and execs, as the entry points of containers do, comes back as somebody else, but
 * as the one that we were started for or a descendant. */
static bool is_descendant(pid_t pid)
{
	struct procfs_stat st;
	for (unsigned i = 0; i < MAX_ANCESTORS && pid > 1; i++) {
		if (pid == control.root_pid)
			return true;
		if (procfs_stat(pid, &st) < 0)
			return false;
		pid = st.parent_pid;
	}
	return false;
}

static bool is_trusted(const struct ucred *peer)
{
	if (peer->uid == getuid() || peer->uid == geteuid() || peer->uid == 0 || peer->uid == control.other_uid)
		return true;
	if (!is_descendant(peer->pid))
		return false;
	control.other_uid = peer->uid; /* its children may be over before we can look whose they were */
	return true;
}

static void accept_all(void)
{
	for (;;) {
		int fd = accept4(control.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			turn_away();
		if (fd < 0)
			return;
		struct connection *c = calloc(1, sizeof(*c));
		socklen_t n = sizeof(c->peer);
		bool good = c && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &n) == 0 && is_trusted(&c->peer) &&
		            control.n_connections < MAX_CONNECTIONS;
		if (!good) {
			free(c);
			close(fd);
			continue;
		}
		c->fd = fd;
		hear_earlier();
		struct connection **last = &control.connections;
		while (*last)
			last = &(*last)->next;
		*last = c;
		control.n_connections++;
		c->is_awaited = !control.contacted;
		control.contacted = true;
		read_connection(c);
		if (!c->closed) /* most have said all they will */
			events_add(fd, EVENT_CONNECTION, c);
	}
}

static void drop_closed(void)
{
	for (struct connection **at = &control.connections; *at;) {
		struct connection *c = *at;
		if (!c->closed || c->has_mark) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		events_remove(c->fd);
		close(c->fd);
		free(c);
		control.n_connections--;
	}
}

void control_events(void)
{
	struct event list[64];
	int n = events_take(list, 64);
	for (int i = 0; i < n; i++) {
		if (list[i].kind == EVENT_LISTEN) {
			accept_all();
		} else if (list[i].kind == EVENT_CONNECTION) {
			read_connection(list[i].object);
		} else if (list[i].kind == EVENT_PIDFD) {
			struct process *p = control_find_serial((uintptr_t)list[i].object >> 3);
			if (!p || p->pidfd < 0)
				continue;
			if (!p->dead_since_ns)
				p->dead_since_ns = drain_state.now_ns;
			events_remove(p->pidfd);
		}
	}
	drop_closed();
}

/* ---- answers ---- */

static void put_mark(struct process *p, const struct tidemark_message *mark)
{
	uint64_t limit = drain_limit(p->image);
	watch_arrivals(p->image);
	drain_process(p, limit);
	struct rare *rare = process_rare(p, TIDEMARK_RARE_MARK);
	rare->tick = process_tick(p, mono_ns());
	rare->v[2] = mark->value;
	rare->text = strndup(mark->text, TIDEMARK_NAME_BYTES - 1);
	p->wants_smaps = true;
}

static void answer_mark(struct connection *c)
{
	uint32_t n = 0;
	for (struct image *image = control_images; image; image = image->next)
		for (uint32_t slot = 0; slot < image_slots_used(image); slot++) {
			struct process *p = image->processes[slot];
			bool is_meant = c->mark.pid == 0 || (p && (p->pid == c->mark.pid || p->own_pid == c->mark.pid));
			if (!p || !is_meant || p->execed_since_ns)
				continue;
			put_mark(p, &c->mark);
			n++;
		}
	c->has_mark = false;
	send_message(
	    c, TIDEMARK_MESSAGE_DONE, n ? 0 : TIDEMARK_DONE_UNKNOWN, n ? "" : "no such process in this session");
}

/* Is any image of the root still alive or being closed? */
static bool root_is_open(pid_t pid)
{
	for (struct image *image = control_images; image; image = image->next)
		if (image->processes[0] && image->processes[0]->pid == pid)
			return true;
	return writer_root_is_open();
}

/* Whoever waits for the root expects the files of children that ended before it as well. A process without threads is
 * one that just died, or it has none that ever allocated. */
static bool dead_are_written(void)
{
	uint32_t n_alive = 0;
	for (struct image *image = control_images; image; image = image->next)
		for (uint32_t slot = 0; slot < image_slots_used(image); slot++) {
			const struct process *p = image->processes[slot];
			n_alive += p && !p->dead_since_ns && (!p->no_rings_since_ns || p->execed_since_ns);
		}
	return writer_open_files() <= n_alive;
}

static void answer_root(struct connection *c)
{
	struct writer_report report;
	writer_root_report(&report);
	if (report.n_paths && !send_message(c, TIDEMARK_MESSAGE_FILE, report.n_paths - 1, report.path))
		return;
	uint64_t value = report.done;
	if (control.n_root_images == 0)
		value |= TIDEMARK_DONE_NO_IMAGE;
	else if (report.n_events == 0)
		value |= TIDEMARK_DONE_NO_EVENTS;
	c->is_answered = send_message(c, TIDEMARK_MESSAGE_DONE, value, report.text[0] ? report.text : control.refusal);
}

/* At the next beat, whenever each was looked at last. */
static void look_at_all(void)
{
	for (struct image *image = control_images; image; image = image->next)
		for (uint32_t slot = 0; slot < image_slots_used(image); slot++)
			if (image->processes[slot])
				image->processes[slot]->next_check_ns = 0;
}

static void step_root(struct connection *c)
{
	uint64_t now = drain_state.now_ns;
	if (!c->has_swept) {
		/* An image that connected before the root died is in the queue by now. */
		accept_all();
		look_at_all();
		c->has_swept = true;
	}
	bool root_is_done = !root_is_open(c->root_pid);
	if (root_is_done && !c->done_ns)
		c->done_ns = now;
	if (root_is_done && (dead_are_written() || now - c->done_ns > CHILDREN_WAIT_NS)) {
		answer_root(c);
	} else if (now > c->progress_ns) {
		char text[128];
		writer_progress(text, sizeof(text));
		if (text[0])
			send_message(c, TIDEMARK_MESSAGE_PROGRESS, 0, text);
		c->progress_ns = now + PROGRESS_NS;
	}
}

void control_step(void)
{
	for (struct connection *c = control.connections; c; c = c->next) {
		if (c->has_mark)
			answer_mark(c);
		if (c->has_status && !c->is_answered)
			step_root(c);
	}
}

bool control_is_over(void)
{
	bool is_held = false;
	uint64_t now = drain_state.now_ns;
	for (struct connection *c = control.connections; c; c = c->next)
		is_held |= c->is_root || c->is_awaited;
	if (is_held || control_images || events_lingering() || !writer_is_idle()) {
		control.quiet_since_ns = 0;
		return false;
	}
	if (!control.contacted)
		return now - control.start_ns > FIRST_CONTACT_NS;
	if (!control.quiet_since_ns)
		control.quiet_since_ns = now;
	return now - control.quiet_since_ns > LAST_GRACE_NS;
}
