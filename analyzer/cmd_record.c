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
#include "launch/recording.h"
#include "launch/run.h"
#include "launch/session_files.h"
#include "launch/target.h"

#define OWN_FAILURE 125 /* as env(1), timeout(1) and nohup(1) */

struct record_options {
	struct recording_options recording;
	bool strict, quiet;
};

struct outcome {
	struct recording recording;
	bool abandoned; /* the user did not want to wait for the collector */
	bool quiet, progress_shown;
};

static int parse(struct record_options *options, int argc, char **argv, struct err *err)
{
	const struct option rows[] = {
	    {"output", 'o', OPTION_TEXT, &options->recording.output, "FILE", "where the trace goes: %p pid, %e program",
	        0, 0},
	    {"depth", 0, OPTION_NUMBER, &options->recording.depth, "N", "frames kept of a stack (256)", 4, 4096},
	    {"rss-interval", 0, OPTION_NUMBER, &options->recording.rss_interval_ms, "MS",
	        "time between RSS samples (10)", 1, 60000},
	    {"no-children", 0, OPTION_FLAG, &options->recording.no_children, NULL, "do not record forked children", 0,
	        0},
	    {"mmap", 0, OPTION_FLAG, &options->recording.maps, NULL, "record mmap and munmap too", 0, 0},
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

/* Wait until the root's file is closed, the collector is gone, or the user has waited long enough. */
static void wait_done(struct outcome *outcome, struct run *run)
{
	struct pollfd both[2] = {
	    {.fd = outcome->recording.session.connection, .events = POLLIN},
	    {.fd = run->signals, .events = POLLIN},
	};
	while (!outcome->recording.done) {
		const char *progress;
		if (poll(both, 2, -1) < 0 && errno != EINTR)
			break;
		if (both[1].revents && run_interrupted(run)) {
			outcome->abandoned = true;
			break;
		}
		if (!both[0].revents)
			continue;
		if (!recording_receive(&outcome->recording, &progress))
			break;
		if (progress)
			show_progress(outcome, progress);
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

static void say_losses(const struct recording *recording, const struct record_options *options, const char *name)
{
	if (recording->bits & TIDEMARK_DONE_NO_IMAGE)
		say("'%s' was not recorded: the library was not loaded into it, or found no memory there (ulimit -f, -v); "
		    "it may have ended before, have replaced its environment, or be a wrapper of a static or setuid program",
		    name);
	/* Nothing was lost, but a whole recording looks different. */
	if ((recording->bits & TIDEMARK_DONE_NO_EVENTS) && (options->strict || !options->quiet))
		say("'%s' was recorded, but made not one allocation that the library could see; "
		    "it may have an allocator of its own",
		    name);
	if (recording->reason[0])
		say("%s", recording->reason);
	else if (recording->bits & TIDEMARK_DONE_WRITE)
		say("the trace could not be written to its end");
	else if (recording->bits & TIDEMARK_DONE_LOSSES)
		say("events were lost; tidemark summary says how many");
}

/* Where the trace is, and how many there are besides. */
static void say_trace(const struct recording *recording)
{
	struct session_files others;
	char earlier[64] = "", children[64] = "";
	const char *given = recording->trace;
	size_t n_children = 0;
	if (!session_files_others(&others, &given, 1, NULL) && others.n_items > recording->n_earlier)
		n_children = others.n_items - recording->n_earlier;
	session_files_release(&others);
	if (recording->n_earlier)
		snprintf(earlier, sizeof(earlier), "%u of the process's earlier images", recording->n_earlier);
	if (n_children)
		snprintf(children, sizeof(children), "%zu of processes that it started", n_children);
	say("trace in '%s'%s%s%s%s%s", short_path(recording->trace), *earlier || *children ? ", and " : "", earlier,
	    *earlier && *children ? " and " : "", children, *earlier || *children ? " beside it" : "");
}

/* returns: whether the recording is whole, as far as is known */
static bool say_outcome(const struct outcome *outcome, const struct record_options *options, const char *name)
{
	const struct recording *recording = &outcome->recording;
	char fate[64];
	if (outcome->abandoned)
		say("not waiting any longer; the collector completes the trace in the background");
	else if (!recording->done)
		say("the collector did not complete the trace: %s; what was written until then can be read",
		    session_fate(&recording->session, fate));
	else
		say_losses(recording, options, name);
	if (!options->quiet && recording->trace[0])
		say_trace(recording);
	return recording->done && recording->bits == 0;
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
	struct run run;
	struct outcome outcome = {.quiet = options->quiet};
	struct recording *recording = &outcome.recording;
	if (recording_start(recording, &options->recording, err) < 0 ||
	    recording_environment(recording, &options->recording, err) < 0 || run_prepare(&run, err) < 0 ||
	    run_fork(&run, path, argv, err) < 0) {
		say_err(err);
		return OWN_FAILURE;
	}
	recording_root(recording, run.pid);
	int error = run_go(&run);
	if (error)
		return exec_failed(argv[0], error);
	int status = run_wait(&run);
	recording_ended(recording, run.pid, status);
	wait_done(&outcome, &run);
	bool whole = say_outcome(&outcome, options, argv[0]);
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
	if (n > 0 && options.recording.output && !*options.recording.output)
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
	options.recording.output = recording_output(options.recording.output);
	if (recording_output_writable(options.recording.output))
		return run_recorded(&options, path, argv + 1, &err);
	say("cannot write '%s': %s%s", options.recording.output, strerror(errno),
	    options.strict ? "" : "; the program runs unrecorded");
	return options.strict ? OWN_FAILURE : run_bare(path, argv + 1, &err);
}
