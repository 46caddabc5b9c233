/* The subcommands: each gets argv from its own name on and returns the process's exit status. Called by main.c only.
 * threads: one. */
#ifndef CMD_H
#define CMD_H

enum cmd_status { /* exit statuses of the readers */
	CMD_OK = 0,
	CMD_FINDING = 1,
	CMD_TROUBLE = 2, /* usage or trouble */
	CMD_INCONCLUSIVE = 3,
	CMD_INCOMPLETE = 4,
};

int cmd_record(int argc, char **argv);
int cmd_drive(int argc, char **argv);
int cmd_selftest(int argc, char **argv);
int cmd_summary(int argc, char **argv);
int cmd_leaks(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_folded(int argc, char **argv);
int cmd_timeline(int argc, char **argv);
int cmd_ops(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_gate(int argc, char **argv);
int cmd_baseline(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_bisect(int argc, char **argv);
int cmd_bisect_step(int argc, char **argv); /* internal: one commit of a bisection */
int cmd_mark(int argc, char **argv);
int cmd_symbolize(int argc, char **argv); /* internal: the collector's helper */

#endif
