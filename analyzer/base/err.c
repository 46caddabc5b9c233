/* Errors: see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
	if (!err)
		return code;
	err->code = code;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(err->text, sizeof(err->text), format, arguments);
	va_end(arguments);
	return code;
}

int err_errno(struct err *err, const char *format, ...)
{
	int number = errno;
	if (!err)
		return TIDEMARK_ERR_SYSTEM;
	err->code = TIDEMARK_ERR_SYSTEM;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(err->text, sizeof(err->text), format, arguments);
	va_end(arguments);
	size_t used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(number));
	return TIDEMARK_ERR_SYSTEM;
}

int err_memory(struct err *err)
{
	return err_set(err, TIDEMARK_ERR_MEMORY, "out of memory");
}
