/* tidemark bisect: the commit at which a program began to fail the gate. Enters: two commits, how to build, what to run.
 * Leaves: the first bad commit. Everything happens in a work tree of its own, so that the user's stays as it is:
 *
 *   cmd_bisect -> git worktree add; the gate at GOOD and at BAD; git bisect run tidemark bisect-step ...
 *   cmd_bisect_step, in a checked-out commit: build, record, gate -> 0 good, 1 bad, 125 skip, 255 give up */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/option.h"
#include "base/say.h"
#include "cmd.h"
#include "launch/git.h"

#define SKIP 125 /* as git bisect run has it */
#define GIVE_UP 255
#define LOG_LINES 20

struct bisect {
	const char *build, *gate;
	const char *good, *bad;
	char **command;
	size_t n_command;
	char self[PATH_MAX];
	char folder[PATH_MAX]; /* of the work tree, logs and recordings */
	char tree[PATH_MAX + 8];
	char *prefix;      /* where in the work tree the user stands; "" at its top */
	char expected[16]; /* the exit status that the program has at GOOD; "" before that is known */
};

/* --- child processes --- */

static volatile sig_atomic_t child_pid, interrupted;

/* The child leads a process group of its own: whoever wants us to end wants all of them to. */
static void pass_on(int number)
{
	interrupted = number;
	if (child_pid)
		kill(-(pid_t)child_pid, number);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = pass_on};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int wait_for(pid_t pid)
{
	int status;
	child_pid = pid;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	child_pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Run argv with no input and its output in a file.
 * outer:   it leads a process group of its own, and its errors are for the user to see
 * returns: its exit status, 128 and the signal's number, or 127 when it could not be started */
static int run_logged(char *const *argv, const char *log, bool outer)
{
	pid_t pid;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_init(&attributes);
	if (outer)
		posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (!outer)
		posix_spawn_file_actions_adddup2(&actions, 1, 2);
	int failure = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return failure ? 127 : wait_for(pid);
}

/* The last lines of a log, on stderr. */
static void show_log(const char *path)
{
	char lines[LOG_LINES][256];
	size_t n = 0;
	FILE *file = fopen(path, "re");
	while (file && fgets(lines[n % LOG_LINES], sizeof(lines[0]), file))
		n++;
	if (file)
		fclose(file);
	for (size_t i = n > LOG_LINES ? n - LOG_LINES : 0; i < n; i++) {
		lines[i % LOG_LINES][strcspn(lines[i % LOG_LINES], "\n")] = 0;
		fprintf(stderr, "    %s\n", lines[i % LOG_LINES]);
	}
}

/* --- one commit: tidemark bisect-step FOLDER PREFIX EXPECTED BUILD GATE -- COMMAND --- */

struct step {
	const char *self, *folder, *prefix, *expected, *build, *gate;
	char **command;
	size_t n_command;
	char commit[128]; /* for people */
};

static const char *in_folder(char text[PATH_MAX], const struct step *step, const char *name)
{
	snprintf(text, PATH_MAX, "%.3000s/%s", step->folder, name);
	return text;
}

static void find_commit(struct step *step)
{
	static const char *const question[] = {"log", "-1", "--no-decorate", "--format=%h %s", NULL};
	char *answer = NULL;
	git_ask(question, &answer, NULL);
	snprintf(step->commit, sizeof(step->commit), "%.80s", answer ? answer : "?");
	free(answer);
}

static int build(const struct step *step)
{
	char log[PATH_MAX], shell[] = "sh", option[] = "-c";
	char *argv[] = {shell, option, (char *)step->build, NULL};
	if (!*step->build || !run_logged(argv, in_folder(log, step, "build.log"), false))
		return 0;
	say("skip %s: the build failed", step->commit);
	show_log(log);
	return SKIP;
}

static void remove_recordings(const struct step *step)
{
	char pattern[PATH_MAX];
	glob_t found;
	if (!glob(in_folder(pattern, step, "run.tmk*"), 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
		globfree(&found);
	}
}

/* returns: the program's exit status */
static int record(const struct step *step)
{
	char output[PATH_MAX], log[PATH_MAX];
	char word[] = "record", quiet[] = "-q", o[] = "-o", end[] = "--";
	char **argv = calloc(step->n_command + 7, sizeof(*argv));
	if (!argv)
		return 127;
	in_folder(output, step, "run.tmk");
	char *const head[] = {(char *)step->self, word, quiet, o, output, end};
	memcpy(argv, head, sizeof(head));
	memcpy(argv + 6, step->command, step->n_command * sizeof(*argv));
	int status = run_logged(argv, in_folder(log, step, "run.log"), false);
	free(argv);
	return status;
}

/* All files of the recording: processes of one service. Its document goes to gate.json. returns: its exit status */
static int gate(const struct step *step)
{
	char pattern[PATH_MAX], log[PATH_MAX], document[PATH_MAX], *script = NULL;
	char shell[] = "sh", option[] = "-c";
	glob_t found;
	if (glob(in_folder(pattern, step, "run.tmk*"), 0, NULL, &found))
		return CMD_INCOMPLETE;
	char **argv = calloc(found.gl_pathc + 6, sizeof(*argv));
	int status = CMD_TROUBLE;
	unlink(in_folder(document, step, "gate.json"));
	if (argv &&
	    asprintf(&script, "json=$1; shift; exec \"$0\" gate %s --json=\"$json\" -- \"$@\"", step->gate) >= 0) {
		char *const head[] = {shell, option, script, (char *)step->self, document};
		memcpy(argv, head, sizeof(head));
		memcpy(argv + 5, found.gl_pathv, found.gl_pathc * sizeof(*argv));
		status = run_logged(argv, in_folder(log, step, "gate.log"), false);
	}
	free(script);
	free(argv);
	globfree(&found);
	return status;
}

/* Why: the worst check's reason. returns: text, "" when there is none */
static const char *gate_reason(const struct step *step, char text[256])
{
	char path[PATH_MAX];
	json_t *document = json_load_file(in_folder(path, step, "gate.json"), 0, NULL);
	const json_t *worst = json_array_get(json_object_get(document, "checks"), 0);
	const char *reason = json_string_value(json_object_get(worst, "reason"));
	snprintf(text, 256, "%s%.200s", reason ? ": " : "", reason ? reason : "");
	json_decref(document);
	return text;
}

/* The gate's word, seen together with how the program ended: a pass of a program that did not do its work is none. */
static int judge(const struct step *step, int verdict, int status)
{
	char log[PATH_MAX], ended[16], reason[256];
	gate_reason(step, reason);
	snprintf(ended, sizeof(ended), "%d", status);
	switch (verdict) {
	case CMD_FINDING:
		say("bad  %s%s", step->commit, reason);
		return 1;
	case CMD_OK:
		if (*step->expected && strcmp(ended, step->expected) != 0) {
			say("skip %s: the program ended with status %s, not %s as at GOOD", step->commit, ended,
			    step->expected);
			return SKIP;
		}
		say("good %s%s", step->commit, reason);
		return 0;
	case CMD_INCONCLUSIVE:
		say("skip %s, inconclusive%s", step->commit, reason);
		return SKIP;
	case CMD_INCOMPLETE:
		say("skip %s: the recording is incomplete", step->commit);
		return SKIP;
	default:
		say("the gate cannot judge %s", step->commit);
		show_log(in_folder(log, step, "gate.log"));
		return GIVE_UP;
	}
}

static void write_status(const struct step *step, int status)
{
	char path[PATH_MAX];
	FILE *file = fopen(in_folder(path, step, "status"), "we");
	if (!file)
		return;
	fprintf(file, "%d", status);
	fclose(file);
}

static int take_step(struct step *step)
{
	char log[PATH_MAX], recording[PATH_MAX], tree[PATH_MAX];
	if (chdir(in_folder(tree, step, "tree")) < 0)
		return GIVE_UP;
	find_commit(step);
	remove_recordings(step);
	if (*step->prefix && chdir(step->prefix) < 0) {
		say("skip %s: it has no folder '%s'", step->commit, step->prefix);
		return SKIP;
	}
	int result = build(step);
	if (result)
		return result;
	int status = record(step);
	write_status(step, status);
	if (access(in_folder(recording, step, "run.tmk"), R_OK) < 0) {
		say("skip %s: the program could not be recorded", step->commit);
		show_log(in_folder(log, step, "run.log"));
		return SKIP;
	}
	return judge(step, gate(step), status);
}

int cmd_bisect_step(int argc, char **argv)
{
	if (argc < 9)
		return GIVE_UP;
	struct step step = {argv[1], argv[2], argv[3], argv[4], argv[5], argv[6], argv + 8, (size_t)argc - 8, ""};
	return take_step(&step);
}

/* --- all commits --- */

static int interrupted_or(int result)
{
	return interrupted ? 128 + (int)interrupted : result;
}

/* `git -C TREE bisect run`, or the step alone at the commit that is checked out. */
static int run_steps(struct bisect *b, bool all)
{
	char git[] = "git", c[] = "-C", word[] = "bisect", run[] = "run", step[] = "bisect-step", end[] = "--";
	char log[PATH_MAX + 16];
	char **argv = calloc(b->n_command + 16, sizeof(*argv)), **at = argv;
	if (!argv)
		return GIVE_UP;
	if (all) {
		char *const head[] = {git, c, b->tree, word, run};
		memcpy(at, head, sizeof(head));
		at += 5;
	}
	char *const words[] = {
	    b->self, step, b->self, b->folder, b->prefix, b->expected, (char *)b->build, (char *)b->gate, end};
	memcpy(at, words, sizeof(words));
	memcpy(at + 9, b->command, b->n_command * sizeof(*argv));
	snprintf(log, sizeof(log), "%s/bisect.log", b->folder);
	int status = run_logged(argv, log, true);
	free(argv);
	return interrupted_or(status);
}

/* Some git command in the work tree. returns: its exit status */
static int in_tree(const struct bisect *b, const char *const *words, char **out)
{
	const char *arguments[16] = {"-C", b->tree};
	for (size_t i = 0; words[i] && i < 12; i++)
		arguments[i + 2] = words[i];
	return interrupted_or(git_ask(arguments, out, NULL));
}

static int resolve(const char *name, char **id, struct err *err)
{
	char *commit = NULL;
	if (asprintf(&commit, "%s^{commit}", name) < 0)
		return err_memory(err);
	const char *const question[] = {"rev-parse", "--verify", "--quiet", "--end-of-options", commit, NULL};
	int status = git_ask(question, id, err);
	free(commit);
	if (status)
		return err_set(err, TIDEMARK_ERR_USAGE, "git knows no commit '%s'", name);
	return 0;
}

/* The first status that counts. */
static void read_expected(struct bisect *b)
{
	char path[PATH_MAX + 16];
	snprintf(path, sizeof(path), "%s/status", b->folder);
	FILE *file = fopen(path, "re");
	if (file && !fgets(b->expected, sizeof(b->expected), file))
		b->expected[0] = 0;
	if (file)
		fclose(file);
}

static int ended_early(struct err *err)
{
	return err_set(err, TIDEMARK_ERR_SYSTEM, "interrupted; nothing was changed");
}

/* What the user believes of the two ends must be so, or every answer between them would be nonsense. */
static int check_ends(struct bisect *b, const char *bad_id, struct err *err)
{
	const char *const checkout[] = {"checkout", "--quiet", "--detach", bad_id, NULL};
	int status = run_steps(b, false);
	if (interrupted)
		return ended_early(err);
	if (status)
		return err_set(err, TIDEMARK_ERR_USAGE,
		    status == 1 ? "the gate fails at GOOD already, '%s': name an older commit"
		                : "GOOD, '%s', cannot be judged",
		    b->good);
	read_expected(b);
	if (in_tree(b, checkout, NULL))
		return err_set(err, TIDEMARK_ERR_SYSTEM, "cannot check out BAD, '%s'", b->bad);
	status = run_steps(b, false);
	if (interrupted)
		return ended_early(err);
	if (status == 1)
		return 0;
	return err_set(err, TIDEMARK_ERR_USAGE,
	    status == 0 ? "the gate passes at BAD, '%s': there is nothing to look for" : "BAD, '%s', cannot be judged",
	    b->bad);
}

/* The answer, on stdout. */
static int print_found(const struct bisect *b)
{
	static const char *const question[] = {"log", "-1", "--no-decorate", "--date=short",
	    "--format=%H is the first bad commit%n  %ad  %an  %s", "refs/bisect/bad", "--", NULL};
	char *answer = NULL;
	int status = in_tree(b, question, &answer);
	if (!status)
		puts(answer);
	free(answer);
	return status ? CMD_TROUBLE : CMD_OK;
}

/* Commits between the last good and the first bad one could not be judged. */
static int print_candidates(const struct bisect *b)
{
	static const char *const question[] = {"log", "--no-decorate", "--date=short", "--format=  %h  %ad  %s",
	    "refs/bisect/bad", "--not", "--glob=refs/bisect/good-*", "--", NULL};
	char *answer = NULL;
	if (!in_tree(b, question, &answer) && *answer)
		printf("the first bad commit is one of these; those between could not be judged:\n%s\n", answer);
	free(answer);
	return CMD_INCONCLUSIVE;
}

static int search(struct bisect *b, const char *good_id, const char *bad_id, struct err *err)
{
	const char *const start[] = {"bisect", "start", bad_id, good_id, "--", NULL};
	char log[PATH_MAX + 16];
	snprintf(log, sizeof(log), "%s/bisect.log", b->folder);
	if (in_tree(b, start, NULL))
		return err_set(err, TIDEMARK_ERR_SYSTEM, "git cannot bisect between '%s' and '%s'", b->good, b->bad);
	int status = run_steps(b, true);
	if (interrupted)
		return ended_early(err);
	if (!status)
		return print_found(b);
	if (status == 2)
		return print_candidates(b);
	show_log(log);
	return err_set(err, TIDEMARK_ERR_SYSTEM, "git bisect run ended with status %d", status);
}

/* --- a work tree of its own --- */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	(void)status;
	(void)ftw;
	return kind == FTW_DP ? rmdir(path) : unlink(path);
}

static void remove_tree(const struct bisect *b)
{
	const char *const removal[] = {"worktree", "remove", "--force", "--force", b->tree, NULL};
	static const char *const prune[] = {"worktree", "prune", NULL};
	git_ask(removal, NULL, NULL);
	nftw(b->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	git_ask(prune, NULL, NULL);
}

static int find_prefix(struct bisect *b, struct err *err)
{
	static const char *const where[] = {"rev-parse", "--show-prefix", NULL};
	int status = git_ask(where, &b->prefix, err);
	if (status == 127)
		return err_set(err, TIDEMARK_ERR_NOT_FOUND, "there is no git: tidemark bisect needs it");
	return status ? err_set(err, TIDEMARK_ERR_USAGE, "git finds no work tree here; 'git status' may tell why") : 0;
}

static int make_tree(struct bisect *b, const char *good_id, struct err *err)
{
	const char *parent = getenv("TMPDIR");
	const char *const add[] = {"worktree", "add", "--quiet", "--detach", b->tree, good_id, NULL};
	snprintf(b->folder, sizeof(b->folder), "%.3000s/tidemark-bisect-XXXXXX", parent && *parent ? parent : "/tmp");
	if (!mkdtemp(b->folder))
		return err_errno(err, "cannot make the folder '%s'", b->folder);
	snprintf(b->tree, sizeof(b->tree), "%s/tree", b->folder);
	if (git_ask(add, NULL, err)) {
		remove_tree(b);
		return err_set(err, TIDEMARK_ERR_SYSTEM, "git cannot make a work tree in '%s'", b->folder);
	}
	return 0;
}

static int run(struct bisect *b, struct err *err)
{
	char *good_id = NULL, *bad_id = NULL;
	ssize_t n = readlink("/proc/self/exe", b->self, sizeof(b->self) - 1);
	int result = n > 0 ? find_prefix(b, err) : err_errno(err, "cannot read /proc/self/exe");
	if (!result)
		result = resolve(b->good, &good_id, err);
	if (!result)
		result = resolve(b->bad, &bad_id, err);
	if (!result && !strcmp(good_id, bad_id))
		result = err_set(err, TIDEMARK_ERR_USAGE, "GOOD and BAD are the same commit");
	catch_signals();
	if (!result)
		result = make_tree(b, good_id, err);
	if (!result) {
		result = check_ends(b, bad_id, err);
		if (!result)
			result = search(b, good_id, bad_id, err);
		remove_tree(b);
	}
	free(good_id);
	free(bad_id);
	free(b->prefix);
	return result;
}

int cmd_bisect(int argc, char **argv)
{
	struct bisect b = {.build = "", .gate = ""};
	const struct option options[] = {{"build", 0, OPTION_TEXT, &b.build, "COMMAND",
	                                     "build a commit, with the shell; when it fails, skip the commit", 0, 0},
	    {"gate", 0, OPTION_TEXT, &b.gate, "OPTIONS",
	        "of tidemark gate, as '--peak-heap 10MB'; default tidemark.toml's", 0, 0},
	    {NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0}};
	const struct option_table table = {"bisect GOOD BAD [OPTION...] -- COMMAND [ARGUMENT...]",
	    "Find the commit after GOOD, up to BAD, at which COMMAND began to fail the gate.", options, false};
	struct err err = {0};
	int n = option_parse(&table, argc, argv, &err);
	if (n == OPTION_HELP_SHOWN)
		return CMD_OK;
	if (n >= 0 && n < 3)
		n = err_set(&err, TIDEMARK_ERR_USAGE,
		    "name a good commit, a bad one, and the command to run; see tidemark bisect --help");
	if (n < 0)
		return say_err(&err);
	b.good = argv[1];
	b.bad = argv[2];
	b.command = argv + 3;
	b.n_command = (size_t)n - 2;
	int result = run(&b, &err);
	return result < 0 ? say_err(&err) : result;
}
