/* tidemark record: run a program with the library preloaded, and see its trace through to the end.
 * Enters: argv. Leaves: the program's exit status or signal, the trace beside it. threads: one. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/option.h"
#include "base/say.h"
#include "cmd.h"
#include "launch/paths.h"
#include "launch/run.h"
#include "launch/session_client.h"
#include "launch/target.h"

#define OWN_FAILURE 125 /* as env(1), timeout(1) and nohup(1) */
#define DEFAULT_OUTPUT "tidemark.%e.%p.tmk"

struct record_options {
	const char *output;
	uint64_t depth, rss_interval_ms; /* 0: as the environment or the default says */
	bool no_children, maps, strict, quiet;
};

/* What the collector told until its DONE. */
struct outcome {
	bool done, abandoned;
	uint64_t bits;      /* enum tidemark_done */
	char reason[1024];  /* DONE's text */
	char trace[1024];   /* the last image's file */
	unsigned n_earlier; /* files of earlier images */
	bool quiet, progress_shown;
};

static int parse(struct record_options *options, int argc, char **argv, struct err *err)
{
	const struct option rows[] = {
	    {"output", 'o', OPTION_TEXT, &options->output, "FILE", "where the trace goes: %p pid, %e program", 0, 0},
	    {"depth", 0, OPTION_NUMBER, &options->depth, "N", "frames kept of a stack (256)", 4, 4096},
	    {"rss-interval", 0, OPTION_NUMBER, &options->rss_interval_ms, "MS", "time between RSS samples (10)", 1,
	        60000},
	    {"no-children", 0, OPTION_FLAG, &options->no_children, NULL, "do not record forked children", 0, 0},
	    {"mmap", 0, OPTION_FLAG, &options->maps, NULL, "record mmap and munmap too", 0, 0},
	    {"strict", 0, OPTION_FLAG, &options->strict, NULL, "end with 125 when anything was lost", 0, 0},
	    {"quiet", 'q', OPTION_FLAG, &options->quiet, NULL, "say nothing but losses", 0, 0},
	    {NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0},
	};
	const struct option_table table = {
	    .synopsis = "record [OPTION...] [--] COMMAND [ARGUMENT...]",
	    .purpose = "Run COMMAND and record every allocation with its stack.",
	    .options = rows,
	    .stop_at_operand = true,
	};
	return option_parse(&table, argc, argv, err);
}

/* Has the template a %p? Only without one does it name a single file. */
static bool has_pid(const char *template)
{
	for (const char *p = strchr(template, '%'); p && p[1]; p = strchr(p + 2, '%'))
		if (p[1] == 'p')
			return true;
	return false;
}

/* Can files be made where the template points? Folders named with %e are left to the collector. */
static bool output_writable(const char *template)
{
	char here[PATH_MAX];
	if (template[0] != '/' && !getcwd(here, sizeof(here)))
		return false; /* the current folder was removed */
	const char *slash = strrchr(template, '/');
	if (!slash)
		return access(".", W_OK | X_OK) == 0;
	char *folder = strndup(template, (size_t)(slash - template) + 1);
	bool writable = !folder || strchr(folder, '%') || access(folder, W_OK | X_OK) == 0;
	free(folder);
	return writable;
}

/* Our library first, what the user preloads after it. In a recording inside a recording it stands there already. */
static int set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *value;
	size_t n = strlen(library);
	if (!old || !*old)
		return setenv("LD_PRELOAD", library, 1);
	if (!strncmp(old, library, n) && (!old[n] || old[n] == ':' || old[n] == ' '))
		return 0;
	if (asprintf(&value, "%s:%s", library, old) < 0)
		return -1;
	int result = setenv("LD_PRELOAD", value, 1);
	free(value);
	return result;
}

static int set_environment(
    const struct record_options *options, const char *library, const char *session, struct err *err)
{
	char depth[24];
	snprintf(depth, sizeof(depth), "%" PRIu64, options->depth);
	if (set_preload(library) < 0 || setenv("TIDEMARK_SESSION", session, 1) < 0 ||
	    (options->depth && setenv("TIDEMARK_DEPTH", depth, 1) < 0) ||
	    (options->no_children && setenv("TIDEMARK_CHILDREN", "0", 1) < 0) ||
	    (options->maps && setenv("TIDEMARK_MMAP", "1", 1) < 0))
		return err_errno(err, "cannot set the program's environment");
	return 0;
}

static uint64_t interval_of_environment(void)
{
	const char *text = getenv("TIDEMARK_RSS_INTERVAL");
	char *end;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;
	return value >= 1 && value <= 60000 && !*end ? value : 0;
}

static int start_session(struct session *session, const struct record_options *options, struct err *err)
{
	static struct launch_paths paths; /* three times PATH_MAX */
	int result = launch_paths_find(&paths, err);
	if (result < 0)
		return result;
	const struct session_options wanted = {
	    .collector = paths.collector,
	    .output = options->output,
	    .named = !has_pid(options->output),
	    .rss_interval_ms = options->rss_interval_ms ? options->rss_interval_ms : interval_of_environment(),
	};
	result = session_start(session, &wanted, err);
	if (result < 0)
		return result;
	return set_environment(options, paths.preload, session->name, err);
}

static void send_number(const struct session *session, enum tidemark_message_kind kind, pid_t pid, uint64_t value)
{
	struct tidemark_message message = {.kind = kind, .pid = pid, .value = value};
	/* A collector that is gone is noticed when its answer is waited for. */
	session_send(session->connection, &message, NULL);
}

static void wipe_progress(struct outcome *outcome)
{
	if (outcome->progress_shown)
		fputs("\r\033[K", stderr);
	outcome->progress_shown = false;
}

static void show_progress(struct outcome *outcome, const char *text)
{
	if (outcome->quiet || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[Ktidemark: %s", text);
	fflush(stderr);
	outcome->progress_shown = true;
}

static void take_message(struct outcome *outcome, const struct tidemark_message *message)
{
	switch (message->kind) {
	case TIDEMARK_MESSAGE_PROGRESS:
		show_progress(outcome, message->text);
		break;
	case TIDEMARK_MESSAGE_FILE:
		outcome->n_earlier += outcome->trace[0] != '\0';
		snprintf(outcome->trace, sizeof(outcome->trace), "%s", message->text);
		break;
	case TIDEMARK_MESSAGE_DONE:
		outcome->done = true;
		outcome->bits = message->value;
		snprintf(outcome->reason, sizeof(outcome->reason), "%s", message->text);
		break;
	default:
		break;
	}
}

/* Wait until the root's file is closed, the collector is gone, or the user has waited long enough. */
static void wait_done(struct outcome *outcome, const struct session *session, struct run *run)
{
	struct pollfd both[2] = {
	    {.fd = session->connection, .events = POLLIN},
	    {.fd = run->signals, .events = POLLIN},
	};
	while (!outcome->done) {
		struct tidemark_message message;
		if (poll(both, 2, -1) < 0 && errno != EINTR)
			break;
		if (both[1].revents && run_interrupted(run)) {
			outcome->abandoned = true;
			break;
		}
		if (!both[0].revents)
			continue;
		if (session_receive(session->connection, &message, NULL) <= 0)
			break;
		take_message(outcome, &message);
	}
	wipe_progress(outcome);
}

/* A path as short as it can be said from here. */
static const char *short_path(const char *path)
{
	static char here[4096];
	size_t n = getcwd(here, sizeof(here)) ? strlen(here) : 0;
	return n > 1 && !strncmp(path, here, n) && path[n] == '/' ? path + n + 1 : path;
}

static void say_losses(const struct outcome *outcome, const struct record_options *options, const char *name)
{
	if (outcome->bits & TIDEMARK_DONE_NO_IMAGE)
		say("'%s' was not recorded: the library was never loaded into it; it may have ended before, have "
		    "replaced its environment, or be a wrapper of a static or setuid program",
		    name);
	/* Nothing was lost, but a whole recording looks different. */
	if ((outcome->bits & TIDEMARK_DONE_NO_EVENTS) && (options->strict || !options->quiet))
		say("'%s' was recorded, but made not one allocation that the library could see; it may have an "
		    "allocator of its own",
		    name);
	if (outcome->reason[0])
		say("%s", outcome->reason);
	else if (outcome->bits & TIDEMARK_DONE_WRITE)
		say("the trace could not be written to its end");
	else if (outcome->bits & TIDEMARK_DONE_LOSSES)
		say("events were lost; tidemark summary says how many");
}

/* returns: whether the recording is whole, as far as is known */
static bool say_outcome(const struct outcome *outcome, const struct session *session,
    const struct record_options *options, const char *name)
{
	char fate[64];
	if (outcome->abandoned)
		say("not waiting any longer; the collector completes the trace in the background");
	else if (!outcome->done)
		say("the collector did not complete the trace: %s; what was written until then can be read",
		    session_fate(session, fate));
	else
		say_losses(outcome, options, name);
	if (!options->quiet && outcome->trace[0] && outcome->n_earlier)
		say("trace in '%s', and %u of the process's earlier images beside it", short_path(outcome->trace),
		    outcome->n_earlier);
	else if (!options->quiet && outcome->trace[0])
		say("trace in '%s'", short_path(outcome->trace));
	return outcome->done && outcome->bits == 0;
}

/* The exec failed: say so as a shell would. */
static int exec_failed(const char *name, int error)
{
	say("cannot run '%s': %s", name, strerror(error));
	return error == ENOENT || error == ENOTDIR ? TARGET_NOT_FOUND : TARGET_NOT_EXECUTABLE;
}

/* Run without a recording: its place cannot be written to, and that is not the program's fault. */
static int run_bare(const char *path, char **argv, struct err *err)
{
	struct run run;
	if (run_prepare(&run, err) < 0 || run_fork(&run, path, argv, err) < 0) {
		say_err(err);
		return OWN_FAILURE;
	}
	int error = run_go(&run);
	if (error)
		return exec_failed(argv[0], error);
	run_end_as(run_wait(&run));
}

static int run_recorded(const struct record_options *options, const char *path, char **argv, struct err *err)
{
	struct session session;
	struct run run;
	struct outcome outcome = {.quiet = options->quiet};
	if (start_session(&session, options, err) < 0 || run_prepare(&run, err) < 0 ||
	    run_fork(&run, path, argv, err) < 0) {
		say_err(err);
		return OWN_FAILURE;
	}
	send_number(&session, TIDEMARK_MESSAGE_ROOT, run.pid, 0);
	int error = run_go(&run);
	if (error)
		return exec_failed(argv[0], error);
	int status = run_wait(&run);
	send_number(&session, TIDEMARK_MESSAGE_STATUS, run.pid, (uint64_t)(unsigned)status);
	wait_done(&outcome, &session, &run);
	bool whole = say_outcome(&outcome, &session, options, argv[0]);
	if (!whole && options->strict)
		return OWN_FAILURE;
	run_end_as(status);
}

int cmd_record(int argc, char **argv)
{
	struct record_options options = {0};
	struct err err = {0};
	static char path[PATH_MAX];
	int n = parse(&options, argc, argv, &err);
	if (n == OPTION_HELP_SHOWN)
		return CMD_OK;
	if (n == 0)
		err_set(&err, TIDEMARK_ERR_USAGE, "record needs a command; see tidemark record --help");
	if (n > 0 && options.output && !*options.output)
		n = err_set(&err, TIDEMARK_ERR_USAGE, "-o needs the name of a file");
	if (n <= 0) {
		say_err(&err);
		return OWN_FAILURE;
	}
	enum target_verdict verdict = target_find(argv[1], path, &err);
	if (verdict == TARGET_OK)
		verdict = target_check(argv[1], path, &err);
	if (verdict != TARGET_OK) {
		say_err(&err);
		return (int)verdict;
	}
	if (!options.output)
		options.output = getenv("TIDEMARK_OUTPUT");
	if (!options.output || !*options.output)
		options.output = DEFAULT_OUTPUT;
	if (output_writable(options.output))
		return run_recorded(&options, path, argv + 1, &err);
	say("cannot write '%s': %s%s", options.output, strerror(errno),
	    options.strict ? "" : "; the program runs unrecorded");
	return options.strict ? OWN_FAILURE : run_bare(path, argv + 1, &err);
}
