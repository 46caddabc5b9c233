/* Messages for the user: see say.h. */
#include "base/say.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

/* Names of files and programs hold any bytes; none of them shall talk to the terminal. */
static void put(const char *text)
{
	while (*text) {
		size_t n = utf8_length(text);
		if (n && (unsigned char)*text >= 0x20 && *text != 0x7f)
			fwrite(text, 1, n, stderr);
		else
			fputc('?', stderr);
		text += n ? n : 1;
	}
}

void say(const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	flockfile(stderr);
	fputs("tidemark: ", stderr);
	put(text ? text : "out of memory");
	fputc('\n', stderr);
	funlockfile(stderr);
	free(text);
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
