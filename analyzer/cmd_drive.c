/* tidemark drive: run a server under recording, perform operations on it, gate what it left behind.
 * Enters: argv. Leaves: the traces, the gate's report, its exit status. threads: one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/option.h"
#include "base/progress.h"
#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "gate_command.h"
#include "launch/drive.h"
#include "launch/run.h"
#include "launch/target.h"
#include "live_verdict.h"

#define BATCH_OPS 100 /* of the leak rate's definition; docs/metrics.md */
#define MIN_BATCHES 20
#define LOOK_MS 100 /* between looks at what the collector has written; it does so within a second */
#define LOOKS 100

struct drive_command {
	struct drive_options drive;
	uint64_t n_ops, max_ops, timeout_s;
	char **gate_argv; /* "gate" and its options */
	int gate_argc;
	bool has_gate;
	struct gate_command *gate;
};

/* Take the words from --gate to -- out of argv. returns: the new argc. errors: USAGE, MEMORY */
static int take_gate(struct drive_command *command, int argc, char **argv, struct err *err)
{
	static char name[] = "gate";
	int first = 1;
	while (first < argc && strcmp(argv[first], "--gate") != 0 && strcmp(argv[first], "--") != 0)
		first++;
	bool has_gate = command->has_gate = first < argc && strcmp(argv[first], "--") != 0;
	int end = has_gate ? first + 1 : first;
	while (has_gate && end < argc && strcmp(argv[end], "--") != 0)
		end++;
	if (has_gate && end == argc)
		return err_set(err, TIDEMARK_ERR_USAGE,
		    "--gate needs a -- between its options and the server; see tidemark drive --help");
	command->gate_argc = has_gate ? end - first : 1;
	command->gate_argv = calloc((size_t)command->gate_argc + 1, sizeof(*command->gate_argv));
	if (!command->gate_argv)
		return err_memory(err);
	memcpy(command->gate_argv, argv + first, (size_t)(end - first) * sizeof(*argv));
	command->gate_argv[0] = name;
	memmove(argv + first, argv + end, (size_t)(argc - end + 1) * sizeof(*argv));
	return argc - (end - first);
}

static int parse(struct drive_command *c, int argc, char **argv, struct err *err)
{
	struct drive_options *d = &c->drive;
	bool gate = false; /* taken out before; the row is for --help */
	const struct option rows[] = {
	    {"ready-port", 0, OPTION_TEXT, &d->ready.port, "PORT", "the server is ready when PORT or HOST:PORT answers",
	        0, 0},
	    {"ready-line", 0, OPTION_TEXT, &d->ready.line, "TEXT", "... when a line of its output has TEXT in it", 0,
	        0},
	    {"ready-cmd", 0, OPTION_TEXT, &d->ready.command, "CMD", "... when CMD succeeds, tried again and again", 0,
	        0},
	    {"op-cmd", 0, OPTION_TEXT, &d->load.command, "CMD", "perform an operation by running CMD; $1 is its number",
	        0, 0},
	    {"op-helper", 0, OPTION_TEXT, &d->load.helper, "CMD",
	        "perform operations by a helper: reads a line for each, answers with a line", 0, 0},
	    {"ops", 'n', OPTION_NUMBER, &c->n_ops, "N", "perform N operations (3000)", 1, 0},
	    {"max-ops", 0, OPTION_NUMBER, &c->max_ops, "N",
	        "go on up to N while the verdict is inconclusive (ten times as many)", 1, 0},
	    {"clients", 'c', OPTION_NUMBER, &d->load.n_clients, "K", "perform K operations at a time (1)", 1, 1000},
	    {"name", 0, OPTION_TEXT, &d->name, "NAME", "what an operation is called (operation)", 0, 0},
	    {"timeout", 0, OPTION_NUMBER, &c->timeout_s, "SECONDS",
	        "for the server to be ready and to end, and for an operation (30)", 1, 86400},
	    {"output", 'o', OPTION_TEXT, &d->recording.output, "FILE", "where the trace goes: %p pid, %e program", 0,
	        0},
	    {"log", 0, OPTION_TEXT, &d->log, "FILE", "the server's output goes to FILE, not to standard error", 0, 0},
	    {"gate", 0, OPTION_FLAG, &gate, NULL, "what follows, up to --, are options of tidemark gate", 0, 0},
	    {NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0},
	};
	const struct option_table table = {
	    .synopsis = "drive [OPTION...] [--gate GATE-OPTION...] -- SERVER [ARGUMENT...]",
	    .purpose = "Run SERVER under recording, perform operations on it, and judge what they left behind.",
	    .options = rows,
	    .stop_at_operand = true,
	};
	argc = take_gate(c, argc, argv, err);
	return argc < 0 ? argc : option_parse(&table, argc, argv, err);
}

static bool folder_has_percent(const char *template)
{
	const char *slash = strrchr(template, '/');
	return slash && memchr(template, '%', (size_t)(slash - template));
}

static int complete(struct drive_command *c, int n_operands, struct err *err)
{
	struct drive_options *d = &c->drive;
	const char *problem = NULL;
	if (n_operands == 0)
		problem = "drive needs a server to run";
	else if (!d->load.command == !d->load.helper)
		problem = "drive needs --op-cmd or --op-helper, one of them";
	else if (!d->ready.port && !d->ready.line && !d->ready.command)
		problem = "drive needs --ready-port, --ready-line or --ready-cmd, to know when the server is ready";
	else if (d->name && (!*d->name || strlen(d->name) > 255))
		problem = "the operation's name must have 1 to 255 bytes";
	else if (c->max_ops && c->max_ops < c->n_ops)
		problem = "--max-ops is less than --ops";
	else if (folder_has_percent(recording_output(d->recording.output)))
		problem = "drive finds the traces in one folder, whose name must be without %";
	if (problem)
		return err_set(err, TIDEMARK_ERR_USAGE, "%s; see tidemark drive --help", problem);
	if (!c->max_ops)
		c->max_ops = 10 * c->n_ops;
	d->timeout_ns = c->timeout_s * 1000000000u;
	d->batch_ops = c->n_ops / MIN_BATCHES < BATCH_OPS ? c->n_ops / MIN_BATCHES : BATCH_OPS;
	if (!d->batch_ops)
		d->batch_ops = 1;
	d->recording.output = recording_output(d->recording.output);
	if (!recording_output_writable(d->recording.output))
		return err_errno(err, "cannot write '%s'", d->recording.output);
	return 0;
}

/* The gate's options are looked at before the server is started, so that a slip costs no run. */
static int prepare_gate(struct drive_command *c, struct err *err)
{
	int n = gate_command_new(&c->gate, c->gate_argc, c->gate_argv, err);
	if (n > 0)
		return err_set(err, TIDEMARK_ERR_USAGE,
		    "'%s' is no option of the gate: between --gate and -- there are options only", c->gate_argv[1]);
	if (!n && c->has_gate && !gate_command_judges(c->gate))
		return err_set(err, TIDEMARK_ERR_USAGE, "--gate has nothing to judge by; see tidemark gate --help");
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Perform operations until n were. spent_ns: the time that all took so far; added to */
static int perform(struct drive *drive, uint64_t n, uint64_t *spent_ns, struct err *err)
{
	struct progress progress;
	char count[SIZE_TEXT_BYTES], time[SIZE_TEXT_BYTES];
	uint64_t start = now_ns();
	progress_init(&progress, "performing operations");
	int result = drive_perform(drive, n, &progress, err);
	progress_release(&progress);
	*spent_ns += now_ns() - start;
	if (!result)
		say("%s operations performed in %s", count_text(count, n), time_text(time, *spent_ns));
	return result;
}

/* returns: 1 when the recording shows all operations, and *verdict tells of them; 0 when some are not written yet */
static int look(const struct drive *drive, const struct drive_command *c, struct live_verdict *verdict, struct err *err)
{
	struct session_files files;
	int result = drive_files(drive, &files, err);
	if (!result)
		result = live_verdict_read(verdict, (const char *const *)files.items, files.n_items, c->gate, err);
	session_files_release(&files);
	if (result == TIDEMARK_ERR_NOT_FOUND || result == TIDEMARK_ERR_NOT_TRACE)
		return 0; /* not even the head of the file */
	return result < 0 ? result : verdict->seen_ops >= drive->marked;
}

static int wait_look(struct drive *drive, const struct drive_command *c, struct live_verdict *verdict, struct err *err)
{
	int result = look(drive, c, verdict, err);
	for (int i = 0; i < LOOKS && result == 0; i++) {
		result = drive_pause(drive, LOOK_MS, err);
		if (result == 0)
			result = look(drive, c, verdict, err);
	}
	if (result == 0)
		say("the collector does not write what was recorded; no more operations are performed");
	return result;
}

/* Estimates of what is needed are rough: grow by half at least, and threefold at most. */
static uint64_t next_n(const struct drive_command *c, uint64_t n, uint64_t needed)
{
	uint64_t least = n + (n + 1) / 2, most = 3 * n, batch = c->drive.batch_ops;
	needed = needed < least ? least : needed > most ? most : needed;
	needed = (needed + batch - 1) / batch * batch;
	return needed < c->max_ops ? needed : c->max_ops;
}

/* Operations until there is a verdict on the leak rates, or the cap is reached. */
static int perform_all(struct drive *drive, const struct drive_command *c, struct err *err)
{
	char before[SIZE_TEXT_BYTES], after[SIZE_TEXT_BYTES];
	struct live_verdict verdict;
	uint64_t n = c->n_ops, spent_ns = 0;
	int result = perform(drive, n, &spent_ns, err);
	while (!result && n < c->max_ops && live_verdict_wanted(c->gate)) {
		result = wait_look(drive, c, &verdict, err);
		if (result <= 0 || !verdict.inconclusive || !verdict.needed_ops)
			return result < 0 ? result : 0;
		uint64_t next = next_n(c, n, verdict.needed_ops);
		say("inconclusive after %s operations: %s; going on to %s", count_text(before, n), verdict.reason,
		    count_text(after, next));
		result = perform(drive, n = next, &spent_ns, err);
	}
	return result;
}

/* From the start of the server to its end. */
static int run(struct drive *drive, const struct drive_command *c, struct err *err)
{
	char time[SIZE_TEXT_BYTES];
	uint64_t start = now_ns();
	int result = drive_start(drive, &c->drive, err);
	if (result < 0)
		return result;
	say("the server is ready after %s", time_text(time, now_ns() - start));
	result = perform_all(drive, c, err);
	return result ? result : drive_stop(drive, err);
}

static void say_files(const struct session_files *files)
{
	if (files->n_items == 1)
		say("trace in '%s'", files->items[0]);
	else
		say("traces in '%s' and %zu more beside it", files->items[0], files->n_items - 1);
}

/* returns: the exit status */
static int judge(
    const struct drive *drive, const struct drive_command *c, const struct session_files *files, struct err *err)
{
	char missing[160];
	if (drive->unrecorded) {
		snprintf(missing, sizeof(missing),
		    "process %d ('%s') was not recorded: the library was not loaded into it; "
		    "it may be static or privileged",
		    (int)drive->unrecorded, drive->unrecorded_name);
		say("%s", missing);
		gate_command_missing(c->gate, missing);
	}
	if (!gate_command_judges(c->gate)) {
		say("nothing was judged: there is no --gate and no tidemark.toml; see tidemark ops");
		return CMD_OK;
	}
	int status = gate_command_run(c->gate, files->items, files->n_items, err);
	return status < 0 ? say_err(err) : status;
}

/* Of what was driven. A failure has no verdict, but its traces may tell why. */
static int conclude(struct drive *drive, const struct drive_command *c, int result, struct err *err)
{
	struct session_files files;
	int status = CMD_TROUBLE;
	drive_release(drive);
	if (result < 0)
		say_err(err);
	int found = drive_files(drive, &files, err);
	if (!found)
		say_files(&files);
	if (drive->interrupted)
		run_end_as(drive->interrupted);
	if (result >= 0)
		status = found < 0 ? say_err(err) : judge(drive, c, &files, err);
	session_files_release(&files);
	return status;
}

static int drive_and_judge(struct drive_command *c, char **argv, struct err *err)
{
	static char path[PATH_MAX];
	struct drive drive;
	if (target_find(argv[0], path, err) != TARGET_OK || target_check(argv[0], path, err) != TARGET_OK)
		return say_err(err);
	c->drive.path = path;
	c->drive.argv = argv;
	int result = run(&drive, c, err);
	return conclude(&drive, c, result, err);
}

int cmd_drive(int argc, char **argv)
{
	struct drive_command c = {.n_ops = 3000, .timeout_s = 30};
	struct err err = {0};
	int status = CMD_OK;
	c.drive.name = "operation";
	c.drive.load.n_clients = 1;
	c.drive.tell = say;
	int n = parse(&c, argc, argv, &err);
	if (n < 0 || complete(&c, n, &err) < 0 || prepare_gate(&c, &err) < 0)
		status = n == OPTION_HELP_SHOWN ? CMD_OK : say_err(&err);
	else
		status = drive_and_judge(&c, argv + 1, &err);
	gate_command_free(c.gate);
	free(c.gate_argv);
	return status;
}
