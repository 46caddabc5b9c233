/* Readable names: libiberty's demanglers behind a bound on their output. */
#include "symbols/mangled.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct output {
	size_t used;
	jmp_buf full;
	char text[MANGLED_MAX_BYTES + 4];
};

/* libiberty's C++ and Rust printers keep everything on the stack, so that a jump out of them leaks nothing. */
static void output_add(const char *text, size_t length, void *arg)
{
	struct output *output = arg;

	if (length > MANGLED_MAX_BYTES - output->used) {
		memcpy(output->text + output->used, text, MANGLED_MAX_BYTES - output->used);
		memcpy(output->text + MANGLED_MAX_BYTES, "...", 3);
		output->used = MANGLED_MAX_BYTES + 3;
		longjmp(output->full, 1);
	}
	memcpy(output->text + output->used, text, length);
	output->used += length;
}

/* Old Rust names look like C++ ones, so Rust is asked first; it knows its own by their hash. */
static const char *demangle_stack(const char *name, struct strpool *pool)
{
	const int options = DMGL_PARAMS | DMGL_ANSI;
	struct output output;
	int good = 1;

	output.used = 0;
	if (!setjmp(output.full)) {
		good = rust_demangle_callback(name, options, output_add, &output);
		if (!good) {
			output.used = 0;
			good = name[1] == 'Z' && cplus_demangle_v3_callback(name, options, output_add, &output);
		}
	} else {
		good = 1;
	}
	if (!good || !output.used || memchr(output.text, 0, output.used))
		return NULL;
	return strpool_add_bytes(pool, output.text, output.used);
}

static const char *demangle_d(const char *name, struct strpool *pool)
{
	char *text = dlang_demangle(name, DMGL_PARAMS | DMGL_ANSI);
	size_t length = text ? strlen(text) : 0;
	const char *result = NULL;

	if (length)
		result = strpool_add_bytes(pool, text, length < MANGLED_MAX_BYTES ? length : MANGLED_MAX_BYTES);
	free(text);
	return result;
}

const char *mangled_read(const char *name, struct strpool *pool)
{
	if (name[0] != '_')
		return NULL;
	if (name[1] == 'D')
		return demangle_d(name, pool);
	return name[1] == 'Z' || name[1] == 'R' ? demangle_stack(name, pool) : NULL;
}

const char *mangled_symbol(const char *name, struct strpool *pool)
{
	const char *version = strchr(name, '@');
	const char *plain = version && version > name ? strpool_add_bytes(pool, name, (size_t)(version - name)) : name;
	const char *readable;

	if (!plain)
		return NULL;
	readable = mangled_read(plain, pool);
	return readable ? readable : strpool_add(pool, plain);
}

size_t mangled_clone_start(const char *name)
{
	const char *clone = strstr(name, " [clone ");

	return clone ? (size_t)(clone - name) : strlen(name);
}
