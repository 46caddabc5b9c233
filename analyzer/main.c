/* The command `tidemark`: finds the subcommand by name and runs it. Enters: argv. Leaves: the exit status.
 * One row of the table is one command; everything about a command stands in its cmd_*.c. threads: one. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/say.h"
#include "cmd.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *purpose; /* NULL: internal, not listed */
};

static const struct command commands[] = {
    {"record", cmd_record, "run a program and record its memory"},
    {"mark", cmd_mark, "put a mark into a running recording"},
    {"drive", cmd_drive, "run a server under recording, perform operations on it, gate it"},
    {"selftest", cmd_selftest, "show that a planted leak is caught on this machine"},
    {"summary", cmd_summary, "totals, peak, leaks, top sites, losses"},
    {"leaks", cmd_leaks, "blocks alive at the end, by stack"},
    {"top", cmd_top, "the hottest stacks by a cost"},
    {"folded", cmd_folded, "folded stacks for flame graphs"},
    {"timeline", cmd_timeline, "heap and RSS over time"},
    {"ops", cmd_ops, "what operations leave behind, per 100 of them"},
    {"diff", cmd_diff, "what grew between two recordings or two instants"},
    {"history", cmd_history, "figures by commit, and which commit changed them"},
    {"bisect", cmd_bisect, "find the commit that made a program fail the gate"},
    {"gate", cmd_gate, "a verdict by budgets and a baseline, for CI"},
    {"baseline", cmd_baseline, "keep the figures of good runs, and compare with them"},
    {"dump", cmd_dump, "the records of a trace as text"},
    {"symbolize", cmd_symbolize, NULL},
    {"bisect-step", cmd_bisect_step, NULL},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_usage(FILE *out)
{
	fputs("usage: tidemark COMMAND [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i].purpose)
			fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].purpose);
	fputs("\ntidemark COMMAND --help explains a command, and so does the manual page tidemark-COMMAND(1).\n", out);
}

/* How many letters must be inserted, removed, changed or swapped; names are short, so the plain recursion's cousin with
 * two rows would save nothing worth its code. */
#define MAX_NAME 16
static size_t edit_distance(const char *a, const char *b)
{
	size_t d[MAX_NAME + 1][MAX_NAME + 1];
	size_t n = strnlen(a, MAX_NAME), m = strnlen(b, MAX_NAME);
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
			best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			d[i][j] = swapped && d[i - 2][j - 2] + 1 < best ? d[i - 2][j - 2] + 1 : best;
		}
	return d[n][m];
}

static int unknown_command(const char *name)
{
	const struct command *nearest = NULL;
	/* More than two slips of the finger is another word; in a short one, more than one. */
	size_t nearest_distance = strlen(name) > 4 ? 3 : 2;
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!commands[i].purpose)
			continue;
		size_t distance = edit_distance(name, commands[i].name);
		if (distance < nearest_distance) {
			nearest_distance = distance;
			nearest = &commands[i];
		}
	}
	if (nearest)
		say("unknown command '%s'; did you mean '%s'?", name, nearest->name);
	else
		say("unknown %s '%s'; see tidemark --help", *name == '-' ? "option" : "command", name);
	return CMD_TROUBLE;
}

static int help(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stdout);
		return CMD_OK;
	}
	const struct command *command = command_find(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	char flag[] = "--help";
	char *arguments[] = {argv[1], flag, NULL};
	return command->run(2, arguments);
}

static int dispatch(int argc, char **argv)
{
	const char *name = argv[1];
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
		return help(argc - 1, argv + 1);
	if (!strcmp(name, "--version") || !strcmp(name, "version")) {
		puts("tidemark " TIDEMARK_VERSION);
		return CMD_OK;
	}
	const struct command *command = command_find(name);
	return command ? command->run(argc - 1, argv + 1) : unknown_command(name);
}

/* A report that did not reach its file is no report, whatever the command thought. */
static int close_stdout(int status)
{
	bool failed = ferror(stdout);
	errno = 0;
	if (fclose(stdout) != 0 && errno != EBADF)
		failed = true;
	if (!failed)
		return status;
	say("cannot write standard output: %s", errno ? strerror(errno) : "write error");
	return CMD_TROUBLE;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return CMD_TROUBLE;
	}
	return close_stdout(dispatch(argc, argv));
}
