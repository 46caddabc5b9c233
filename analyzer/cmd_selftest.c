/* tidemark selftest: plant a known leak and see whether recording, leak rate and gate find it on this machine.
 * Enters: nothing. Leaves: a line for each check; 0 when all hold, 1 when not. threads: one. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/option.h"
#include "base/say.h"
#include "base/size.h"
#include "cmd.h"
#include "core/gate.h"
#include "core/measure_read.h"
#include "launch/known_leak.h"
#include "launch/recording.h"
#include "launch/server.h"
#include "launch/target.h"

#define PROGRAM_FLAG "--program" /* internal: be the program under test */
#define LEAK_BYTES 1000u         /* of each operation */
#define KNOWN_LEAK_PER_100 (100.0 * LEAK_BYTES)
#define TOLERANCE 0.02
#define CLEAN_BUDGET 1000.0 /* bytes per 100 operations */

struct selftest {
	char folder[PATH_MAX], program[PATH_MAX];
	bool failed;
};

static void check(struct selftest *test, bool holds, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void check(struct selftest *test, bool holds, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs(holds ? "ok    " : "FAIL  ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	test->failed |= !holds;
}

/* --- record --- */

/* See the recording through to its end. errors: SYSTEM, also when something was lost */
static int see_through(struct recording *recording, pid_t program, struct err *err)
{
	const char *progress;
	char fate[CHILD_FATE_BYTES];
	int status;
	if (waitpid(program, &status, 0) < 0)
		return err_errno(err, "cannot wait for the program");
	recording_ended(recording, program, status);
	while (!recording->done && recording_receive(recording, &progress))
		;
	if (status)
		return err_set(err, TIDEMARK_ERR_SYSTEM, "the program %s", child_fate(fate, status));
	if (!recording->done)
		return err_set(err, TIDEMARK_ERR_SYSTEM, "the collector: %s", session_fate(&recording->session, fate));
	if (recording->bits & TIDEMARK_DONE_NO_IMAGE)
		return err_set(err, TIDEMARK_ERR_SYSTEM, "the library was not loaded into the program");
	if (recording->bits)
		return err_set(err, TIDEMARK_ERR_SYSTEM, "%s",
		    recording->reason[0] ? recording->reason : "the recording is not whole");
	return 0;
}

/* Run this command again, as the program under test, recorded to `trace`. */
static int record(const struct selftest *test, const char *leak_bytes, const char *trace, struct err *err)
{
	const struct recording_options options = {.output = trace};
	const char *argv[] = {"tidemark", "selftest", PROGRAM_FLAG, leak_bytes, NULL};
	struct recording recording;
	struct server program;
	sigset_t mask;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	int result = recording_start(&recording, &options, err);
	if (result < 0)
		return result;
	const struct server_options server = {.path = test->program,
	    .argv = (char *const *)argv,
	    .log = STDERR_FILENO,
	    .mask = &mask,
	    .recording = &recording,
	    .recording_options = &options};
	result = server_start(&program, &server, err);
	if (!result)
		result = see_through(&recording, program.pid, err);
	server_release(&program);
	session_release(&recording.session);
	return result;
}

/* --- judge --- */

/* errors: MEMORY */
static int verdict_at(const struct measure *measure, double budget, enum verdict *verdict, struct err *err)
{
	struct gate_config config;
	struct gate gate;
	gate_config_init(&config);
	config.rate_budget = budget;
	int result = gate_judge(&gate, measure, &config, NULL, time(NULL), err);
	*verdict = result < 0 ? VERDICT_INCOMPLETE : gate.verdict;
	if (result >= 0)
		gate_release(&gate);
	gate_config_release(&config);
	return result;
}

static int check_verdict(struct selftest *test, const struct measure *measure, const char *what, double budget,
    enum verdict wanted, struct err *err)
{
	char text[METRIC_TEXT_BYTES];
	enum verdict verdict;
	int result = verdict_at(measure, budget, &verdict, err);
	if (result >= 0)
		check(test, verdict == wanted, "%s, at a budget of %s: the gate says %s, %s%s", what,
		    metric_text(text, METRIC_RATE, budget), verdict_name(verdict),
		    verdict == wanted ? "as it should" : "and should say ",
		    verdict == wanted ? "" : verdict_name(wanted));
	return result;
}

static int judge_leak(struct selftest *test, const struct measure *measure, struct err *err)
{
	char found[METRIC_TEXT_BYTES], planted[METRIC_TEXT_BYTES];
	const struct metric *rate = measure_find(measure, "leaked_bytes_per_100/" KNOWN_LEAK_OPERATION);
	double value = rate ? rate->value : NAN;
	check(test, fabs(value - KNOWN_LEAK_PER_100) <= TOLERANCE * KNOWN_LEAK_PER_100,
	    "a leak of %s per 100 operations: found %s", metric_text(planted, METRIC_RATE, KNOWN_LEAK_PER_100),
	    metric_text(found, METRIC_RATE, value));
	int result = check_verdict(test, measure, "a leak", KNOWN_LEAK_PER_100 * 0.8, VERDICT_FAIL, err);
	if (result >= 0)
		result = check_verdict(test, measure, "a leak", KNOWN_LEAK_PER_100 * 1.2, VERDICT_PASS, err);
	return result;
}

static int judge_clean(struct selftest *test, const struct measure *measure, struct err *err)
{
	return check_verdict(test, measure, "a clean program", CLEAN_BUDGET, VERDICT_PASS, err);
}

/* Record the program and judge it. */
static int try(struct selftest *test, const char *name, const char *leak_bytes,
    int (*judge)(struct selftest *test, const struct measure *measure, struct err *err), struct err *err)
{
	const struct measure_options options = {0};
	struct measure *measure = NULL;
	char trace[PATH_MAX + 16];
	snprintf(trace, sizeof(trace), "%s/%s.tmk", test->folder, name);
	const char *paths[] = {trace};
	int result = record(test, leak_bytes, trace, err);
	if (!result)
		result = measure_read(&measure, paths, 1, &options, err);
	if (!result) {
		const struct measure_session *session = &measure->sessions[0];
		const struct op_entry *entry = operations_find(session->operations, KNOWN_LEAK_OPERATION);
		check(test, entry && entry->count == KNOWN_LEAK_OPS && !session->torn && !session->lost_events,
		    "%s, recorded: %u of %d operations, %u events lost%s", name, entry ? (unsigned)entry->count : 0,
		    KNOWN_LEAK_OPS, (unsigned)session->lost_events, session->torn ? ", no end" : "");
		result = judge(test, measure, err);
	}
	measure_free(measure);
	unlink(trace);
	return result;
}

static int prepare(struct selftest *test, struct err *err)
{
	const char *place = getenv("TMPDIR");
	snprintf(test->folder, sizeof(test->folder), "%s/tidemark-selftest-XXXXXX", place && *place ? place : "/tmp");
	ssize_t n = readlink("/proc/self/exe", test->program, sizeof(test->program) - 1);
	if (n < 0)
		return err_errno(err, "cannot find this program's own file");
	test->program[n] = '\0';
	if (target_check("tidemark", test->program, err) != TARGET_OK)
		return TIDEMARK_ERR_USAGE;
	return mkdtemp(test->folder) ? 0 : err_errno(err, "cannot make a folder '%s'", test->folder);
}

static int run(struct selftest *test, struct err *err)
{
	char leak_bytes[24];
	snprintf(leak_bytes, sizeof(leak_bytes), "%u", LEAK_BYTES);
	int result = prepare(test, err);
	if (result < 0)
		return result;
	result = try(test, "a leak", leak_bytes, judge_leak, err);
	if (!result)
		result = try(test, "a clean program", "0", judge_clean, err);
	rmdir(test->folder);
	return result;
}

int cmd_selftest(int argc, char **argv)
{
	static const struct option rows[] = {{NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0}};
	const struct option_table table = {
	    .synopsis = "selftest",
	    .purpose = "Plant a known leak in a program of its own, and see whether it is caught on this machine.",
	    .options = rows,
	};
	static struct selftest test;
	struct err err = {0};
	uint64_t leak_bytes;
	if (argc == 3 && !strcmp(argv[1], PROGRAM_FLAG) && count_parse(argv[2], UINT32_MAX, &leak_bytes))
		return known_leak_run(leak_bytes);
	int n = option_parse(&table, argc, argv, &err);
	if (n == OPTION_HELP_SHOWN)
		return CMD_OK;
	if (n > 0)
		err_set(&err, TIDEMARK_ERR_USAGE, "selftest takes no argument; see tidemark selftest --help");
	if (n != 0)
		return say_err(&err);
	if (run(&test, &err) < 0)
		check(&test, false, "%s", err.text);
	puts(test.failed ? "selftest failed: do not trust a verdict of this machine" : "selftest passed");
	return test.failed ? CMD_FINDING : CMD_OK;
}
