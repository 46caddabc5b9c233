/* Documents: see output.h. */
#include "base/output.h"

#include <stdbool.h>

FILE *output_open(const char *path, struct err *err)
{
	FILE *file = *path ? fopen(path, "we") : stdout;
	if (!file)
		err_errno(err, "cannot write '%s'", path);
	return file;
}

int output_close(FILE *file, const char *path, struct err *err)
{
	if (file == stdout)
		return 0;
	bool failed = ferror(file);
	if (fclose(file))
		failed = true;
	return failed ? err_errno(err, "cannot write '%s'", path) : 0;
}
