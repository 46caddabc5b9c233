/* Messages for the user: see say.h. */
#include "base/say.h"

#include <stdio.h>

void say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	flockfile(stderr);
	fputs("tidemark: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	funlockfile(stderr);
	va_end(arguments);
}

int say_err(const struct err *err)
{
	say("%s", err->text);
	return 2;
}

void say_waiting(const char *path)
{
	say("waiting for '%s', it is being written", path);
}
