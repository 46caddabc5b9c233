/* Drive a server under recording: see drive.h. Called by cmd_drive.
 *
 * One loop waits for all that can happen: drive_wait. Signals come through a signalfd, so no handler is installed and the
 * server inherits every disposition as we got it. */
#include "launch/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/size.h"

#define LOOK_MS 20                   /* between looks whether the server is ready, or what it left behind is gone */
#define MARK_TIMEOUT_NS 10000000000u /* a mark stands within milliseconds, unless the collector is stuck on its disk */
#define KILL_NS 5000000000u          /* a killed process is gone at once, unless the kernel holds it */
#define PATIENCE_NS 3000000000u      /* then the user hears what is waited for */
#define MAX_LEFT 256
enum { FD_SIGNALS, FD_OUTPUT, FD_MARKER, FD_SESSION, FD_CLIENTS }; /* places in drive->fds */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* --- what happens --- */

static int take_end(struct drive *drive, pid_t pid, int status, struct err *err)
{
	if (pid == drive->recording.session.collector) {
		drive->collector_ended = true;
	} else if (pid == drive->server.pid) {
		drive->server.ended = true;
		drive->server.status = status;
		server_forward(&drive->server);
		recording_ended(&drive->recording, pid, status);
	} else if (!ready_reaped(&drive->ready, pid, status)) {
		return load_reaped(&drive->load, pid, status, err);
	}
	return 0;
}

static int reap(struct drive *drive, struct err *err)
{
	int status, result = 0;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		int one = take_end(drive, pid, status, result < 0 ? NULL : err);
		result = one < 0 && !result ? one : result;
	}
	return result;
}

static int take_signals(struct drive *drive, struct err *err)
{
	struct signalfd_siginfo info;
	char count[SIZE_TEXT_BYTES];
	while (read(drive->signals, &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;
		if (number != SIGINT && number != SIGTERM && number != SIGHUP && number != SIGQUIT)
			continue;
		drive->interrupted = number;
		drive->impatient |= drive->stopping;
	}
	/* After a signal its sender wants to hear of nothing else. */
	int result = reap(drive, drive->interrupted ? NULL : err);
	if (drive->interrupted && !drive->stopping)
		return err_set(
		    err, TIDEMARK_ERR_SYSTEM, "interrupted after %s operations", count_text(count, drive->load.n_done));
	return result;
}

static int collector_gone(const struct drive *drive, struct err *err)
{
	char count[SIZE_TEXT_BYTES];
	return err_set(err, TIDEMARK_ERR_SYSTEM, "the collector is gone; the recording stopped after %s operations",
	    count_text(count, drive->marked));
}

static int take_mark_answer(struct drive *drive, struct err *err)
{
	struct tidemark_message answer;
	int result = session_receive(drive->marker, &answer, err);
	if (result == 0)
		return collector_gone(drive, err);
	if (result < 0)
		return result;
	drive->mark_waits = false;
	drive->marked += drive->mark_ops;
	if (answer.value & TIDEMARK_DONE_UNKNOWN)
		return err_set(err, TIDEMARK_ERR_SYSTEM,
		    "the server's process %d is not being recorded: the library was not loaded into the program "
		    "that it runs; that may be static or privileged, or its environment was replaced",
		    (int)drive->server.pid);
	if (answer.value)
		return err_set(err, TIDEMARK_ERR_SYSTEM, "cannot tell the recording of operations: %s", answer.text);
	return 0;
}

/* Its messages may come before anybody waits for them: FILE and DONE follow the server's end at once. */
static void take_session(struct drive *drive)
{
	const char *progress;
	if (!recording_receive(&drive->recording, &progress))
		session_release(&drive->recording.session);
}

static int take_answers(struct drive *drive, struct err *err)
{
	int result = 0;
	for (size_t i = 0; drive->load.clients && i < drive->load_options.n_clients && result >= 0; i++)
		if (drive->fds[FD_CLIENTS + i].revents)
			result = load_answered(&drive->load, i, err);
	return result;
}

/* Wait for the next thing to happen, at most `timeout_ms`, and take it in. */
static int drive_wait(struct drive *drive, int timeout_ms, struct err *err)
{
	struct pollfd *fds = drive->fds;
	nfds_t n = FD_CLIENTS;
	fds[FD_SIGNALS] = (struct pollfd){.fd = drive->signals, .events = POLLIN};
	fds[FD_OUTPUT] = (struct pollfd){.fd = drive->server.output, .events = POLLIN};
	fds[FD_MARKER] = (struct pollfd){.fd = drive->mark_waits ? drive->marker : -1, .events = POLLIN};
	fds[FD_SESSION] = (struct pollfd){.fd = drive->recording.session.connection, .events = POLLIN};
	if (drive->load.clients) {
		load_poll(&drive->load, fds + FD_CLIENTS);
		n += drive->load_options.n_clients;
	}
	if (poll(fds, n, timeout_ms) <= 0)
		return 0;
	int result = 0;
	if (fds[FD_OUTPUT].revents)
		server_forward(&drive->server);
	if (fds[FD_SESSION].revents)
		take_session(drive);
	/* Answers before ends: a helper that answers and ends has done its operation. */
	if (n > FD_CLIENTS)
		result = take_answers(drive, err);
	if (result >= 0 && fds[FD_SIGNALS].revents)
		result = take_signals(drive, err);
	if (result >= 0 && fds[FD_MARKER].revents)
		result = take_mark_answer(drive, err);
	return result < 0 ? result : 0;
}

/* Processes of the server's that outlive it. */
static size_t left_behind(const struct drive *drive, pid_t left[MAX_LEFT])
{
	const pid_t known[] = {drive->recording.session.collector, drive->server.pid, drive->ready.pid};
	return child_adopted(left, MAX_LEFT, known, 3);
}

/* The server is to live until we stop it. */
static int check_server(const struct drive *drive, const char *when, struct err *err)
{
	char fate[CHILD_FATE_BYTES];
	pid_t left[MAX_LEFT];
	if (!drive->server.ended)
		return 0;
	if (!drive->load.clients && left_behind(drive, left))
		return err_set(err, TIDEMARK_ERR_NOT_FOUND,
		    "the server %s %s, and left process %d in the background; let it run in the foreground",
		    child_fate(fate, drive->server.status), when, (int)left[0]);
	return err_set(err, TIDEMARK_ERR_NOT_FOUND, "the server %s %s", child_fate(fate, drive->server.status), when);
}

/* --- start --- */

static int prepare(struct drive *drive, struct err *err)
{
	sigset_t all;
	sigfillset(&all);
	if (sigprocmask(SIG_BLOCK, &all, &drive->old_mask) < 0)
		return err_errno(err, "cannot block signals");
	/* An inherited SIG_IGN would let the kernel throw statuses away. */
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigaction(SIGCHLD, &standard, &drive->old_sigchld);
	drive->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (drive->signals < 0)
		return err_errno(err, "cannot create a signalfd");
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* what the server leaves behind comes to us, to be ended */
	drive->fds = calloc(FD_CLIENTS + drive->load_options.n_clients, sizeof(*drive->fds));
	if (!drive->fds)
		return err_memory(err);
	const char *log = drive->options->log;
	drive->log = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDERR_FILENO;
	return drive->log < 0 ? err_errno(err, "cannot write '%s'", log) : 0;
}

static int start_server(struct drive *drive, struct err *err)
{
	const struct drive_options *options = drive->options;
	const struct server_options server = {.path = options->path,
	    .argv = options->argv,
	    .log = drive->log,
	    .wanted = options->ready.line,
	    .mask = &drive->old_mask,
	    .sigchld = &drive->old_sigchld,
	    .recording = &drive->recording,
	    .recording_options = &options->recording};
	int result = recording_start(&drive->recording, &options->recording, err);
	if (result < 0)
		return result;
	drive->started_ns = clock_ns(CLOCK_REALTIME);
	return server_start(&drive->server, &server, err);
}

static int wait_ready(struct drive *drive, struct err *err)
{
	uint64_t limit_ns = now_ns() + drive->options->timeout_ns;
	char missing[READY_TEXT_BYTES];
	for (;;) {
		int result = check_server(drive, "before it was ready", err);
		if (result == 0)
			result = ready_look(&drive->ready, &drive->server, err);
		if (result < 0)
			return result;
		if (result == 1 && !drive->server.ended)
			return 0;
		if (now_ns() > limit_ns)
			return err_set(err, TIDEMARK_ERR_NOT_FOUND, "the server is not ready after %" PRIu64 " s: %s",
			    drive->options->timeout_ns / 1000000000u,
			    ready_missing(&drive->ready, &drive->server, missing));
		result = drive_wait(drive, LOOK_MS, err);
		if (result < 0)
			return result;
	}
}

static int connect_marker(struct drive *drive, struct err *err)
{
	drive->marker = session_connect(drive->recording.session.name, err);
	if (drive->marker == TIDEMARK_ERR_NOT_FOUND)
		return collector_gone(drive, err);
	return drive->marker < 0 ? drive->marker : 0;
}

int drive_start(struct drive *drive, const struct drive_options *options, struct err *err)
{
	*drive = (struct drive){.options = options, .load_options = options->load};
	drive->load_options.mask = &drive->old_mask;
	drive->load_options.timeout_ns = options->timeout_ns;
	drive->ready = (struct ready){.options = &options->ready, .mask = &drive->old_mask};
	drive->marker = drive->log = drive->signals = drive->server.output = -1;
	drive->recording.session.connection = -1;
	int result = prepare(drive, err);
	if (!result)
		result = ready_prepare(&options->ready, err);
	if (!result)
		result = start_server(drive, err);
	if (!result)
		result = wait_ready(drive, err);
	if (!result)
		result = connect_marker(drive, err);
	if (!result)
		result = load_start(&drive->load, &drive->load_options, err);
	return result;
}

/* --- operations --- */

static int send_mark(struct drive *drive, struct err *err)
{
	struct tidemark_message message = {
	    .kind = TIDEMARK_MESSAGE_MARK, .pid = drive->server.pid, .value = drive->load.n_done - drive->marked};
	snprintf(message.text, sizeof(message.text), "%s", drive->options->name);
	drive->mark_ops = message.value;
	drive->mark_since_ns = now_ns();
	drive->mark_waits = true;
	return session_send(drive->marker, &message, NULL) < 0 ? collector_gone(drive, err) : 0;
}

static int advance(struct drive *drive, uint64_t n, struct err *err)
{
	struct load *load = &drive->load;
	int result = 0;
	uint64_t unmarked = load->n_done - drive->marked;
	if (!drive->mark_waits && unmarked && (unmarked >= drive->options->batch_ops || load->n_done >= n))
		result = send_mark(drive, err);
	/* So that batches are what they are said to be, no more begin until the mark stands; those under way go on. */
	uint64_t limit = drive->marked + drive->options->batch_ops + load->options->n_clients - 1;
	limit = limit < n ? limit : n;
	/* What the server sets up for a client belongs to the warm-up, however late the last client gets to run. */
	if (load->n_done < load->options->n_clients && limit > load->options->n_clients)
		limit = load->options->n_clients;
	while (!result && load->n_busy < load->options->n_clients && load->n_begun < limit)
		result = load_begin(load, err);
	return result;
}

static int wait_operations(struct drive *drive, struct err *err)
{
	uint64_t deadline = load_deadline(&drive->load), now = now_ns();
	if (drive->mark_waits && now > drive->mark_since_ns + MARK_TIMEOUT_NS)
		return err_set(err, TIDEMARK_ERR_SYSTEM, "the collector does not answer; the recording may be broken");
	if (now > deadline)
		return load_timed_out(&drive->load, err);
	uint64_t left_ms = deadline == UINT64_MAX ? 1000 : (deadline - now) / 1000000 + 1;
	return drive_wait(drive, left_ms < 1000 ? (int)left_ms : 1000, err);
}

int drive_perform(struct drive *drive, uint64_t n, struct progress *progress, struct err *err)
{
	char when[64], count[SIZE_TEXT_BYTES];
	while (drive->marked < n) {
		snprintf(when, sizeof(when), "after %s operations", count_text(count, drive->load.n_done));
		int result = check_server(drive, when, err);
		if (!result)
			result = advance(drive, n, err);
		if (!result)
			result = wait_operations(drive, err);
		if (result < 0) {
			/* A client that fails because the server died is not the news. */
			for (int i = 0; i < 10 && !drive->interrupted && !drive->server.ended; i++)
				drive_wait(drive, LOOK_MS, NULL);
			if (!drive->interrupted)
				check_server(drive, when, err);
			return result;
		}
		progress_show(progress, drive->load.n_done, n);
	}
	return 0;
}

int drive_pause(struct drive *drive, unsigned ms, struct err *err)
{
	uint64_t until = now_ns() + (uint64_t)ms * 1000000u;
	for (uint64_t now; (now = now_ns()) < until;) {
		int result = drive_wait(drive, (int)((until - now) / 1000000u) + 1, err);
		if (result < 0)
			return result;
	}
	return 0;
}

int drive_files(const struct drive *drive, struct session_files *files, struct err *err)
{
	return session_files_find(files, drive->options->recording.output, drive->server.pid, drive->started_ns, err);
}

/* --- stop --- */

/* Let things happen until the server has ended. returns: whether it did in time */
static bool server_ends(struct drive *drive, uint64_t limit_ns)
{
	uint64_t until = now_ns() + limit_ns;
	bool patient = !drive->impatient;
	while (!drive->server.ended && now_ns() < until && (!patient || !drive->impatient))
		drive_wait(drive, LOOK_MS, NULL);
	return drive->server.ended;
}

static void stop_server(struct drive *drive)
{
	uint64_t timeout_ns = drive->options->timeout_ns;
	if (drive->server.pid <= 0 || drive->server.ended)
		return;
	kill(drive->server.pid, SIGTERM);
	if (server_ends(drive, timeout_ns))
		return;
	if (!drive->impatient)
		drive->options->tell(
		    "the server did not end within %" PRIu64 " s of SIGTERM: killed", timeout_ns / 1000000000u);
	child_kill(drive->server.pid, SIGKILL);
	if (!server_ends(drive, KILL_NS))
		drive->options->tell("process %d cannot be killed", (int)drive->server.pid);
}

static void end_left_behind(struct drive *drive)
{
	pid_t left[MAX_LEFT];
	uint64_t start = now_ns(), limit_ns = drive->options->timeout_ns;
	bool killing = false;
	size_t n;
	/* Each round asks anew: what those leave behind in their turn comes to us as well. */
	for (bool first = true; (n = left_behind(drive, left)) && now_ns() - start < limit_ns + KILL_NS;
	     first = false) {
		if (!killing && now_ns() - start > limit_ns)
			drive->options->tell(
			    "process %d, left behind by the server, did not heed SIGTERM: killed", (int)left[0]);
		killing = drive->impatient || now_ns() - start > limit_ns;
		for (size_t i = 0; i < n; i++)
			if (first || killing)
				kill(left[i], killing ? SIGKILL : SIGTERM);
		drive_wait(drive, LOOK_MS, NULL);
	}
}

/* Wait for the collector: it ends when all files of the session stand. */
static void await_collector(struct drive *drive)
{
	uint64_t start = now_ns();
	bool told = false;
	while (!drive->collector_ended && !drive->impatient) {
		drive_wait(drive, LOOK_MS, NULL);
		if (drive->recording.done)
			session_release(&drive->recording.session); /* it waits for us, too */
		if (!told && now_ns() - start > PATIENCE_NS)
			drive->options->tell("waiting for the collector to complete the traces");
		told |= now_ns() - start > PATIENCE_NS;
	}
}

int drive_stop(struct drive *drive, struct err *err)
{
	drive->stopping = true;
	ready_release(&drive->ready);
	load_release(&drive->load);
	if (drive->server.pid > 0 && !drive->server.ended)
		drive->unrecorded = unrecorded_find(drive->server.pid, drive->unrecorded_name);
	stop_server(drive);
	end_left_behind(drive);
	server_release(&drive->server);
	if (drive->recording.session.collector > 0)
		await_collector(drive);
	if (!drive->interrupted)
		return 0;
	return err_set(err, TIDEMARK_ERR_SYSTEM, "interrupted%s",
	    drive->collector_ended ? "" : "; the collector completes the traces in the background");
}

void drive_release(struct drive *drive)
{
	if (drive->fds && !drive->stopping)
		drive_stop(drive, NULL);
	if (drive->marker >= 0)
		close(drive->marker);
	if (drive->log >= 0 && drive->log != STDERR_FILENO)
		close(drive->log);
	if (drive->signals >= 0) {
		take_signals(drive, NULL); /* none shall strike when they are let in again */
		close(drive->signals);
	}
	free(drive->fds);
	sigaction(SIGCHLD, &drive->old_sigchld, NULL);
	sigprocmask(SIG_SETMASK, &drive->old_mask, NULL);
}
