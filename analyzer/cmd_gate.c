/* tidemark gate: a verdict over recordings, for people and for CI; see gate_command.h. */
#include "base/option.h"
#include "base/say.h"
#include "cmd.h"
#include "gate_command.h"

int cmd_gate(int argc, char **argv)
{
	struct gate_command *command;
	struct err err = {0};
	int n = gate_command_new(&command, argc, argv, &err);
	int status = n;
	if (n == 0)
		status = err_set(&err, TIDEMARK_ERR_USAGE, "no recording named; see tidemark gate --help");
	else if (n > 0)
		status = gate_command_run(command, argv + 1, (size_t)n, &err);
	if (status == OPTION_HELP_SHOWN)
		status = CMD_OK;
	else if (status < 0)
		status = say_err(&err);
	gate_command_free(command);
	return status;
}
