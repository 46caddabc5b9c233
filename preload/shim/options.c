/* Reads the environment without getenv: the constructor runs before libc has set environ. */
#include "options.h"

#include <stddef.h>
#include <string.h>

enum option {
#define X(field, name, value, help) OPTION_##field,
	OPTIONS(X)
#undef X
	    N_OPTIONS,
};

static const char *const option_names[N_OPTIONS] = {
#define X(field, name, value, help) name,
    OPTIONS(X)
#undef X
};

static const char *const option_defaults[N_OPTIONS] = {
#define X(field, name, value, help) value,
    OPTIONS(X)
#undef X
};

/* returns: false when text is not a decimal number */
static bool read_number(const char *text, uint32_t *number)
{
	uint64_t n = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > UINT32_MAX)
			n = UINT32_MAX;
	}
	*number = (uint32_t)n;
	return true;
}

static uint32_t number_in(const char *const *values, enum option option, uint32_t low, uint32_t high)
{
	uint32_t n = 0;
	if (!read_number(values[option], &n))
		read_number(option_defaults[option], &n);
	return n < low ? low : n > high ? high : n;
}

/* TIDEMARK_CHILDREN is 0 or 1; the first image of a recording without children writes its own pid behind the 0. */
static void read_children(struct options *options, const char *text)
{
	options->children = text[0] != '0';
	options->children_of = 0;
	if (!options->children && text[1] == ':')
		read_number(text + 2, &options->children_of);
}

static enum tidemark_unwinder read_unwind(const char *text)
{
	if (strcmp(text, "libunwind") == 0)
		return TIDEMARK_UNWIND_LIBUNWIND;
	return strcmp(text, "plain") == 0 ? TIDEMARK_UNWIND_PLAIN : TIDEMARK_UNWIND_FAST;
}

void options_read(struct options *options, char **envp)
{
	const char *values[N_OPTIONS];
	char **slots[N_OPTIONS] = {NULL};
	for (unsigned i = 0; i < N_OPTIONS; i++)
		values[i] = option_defaults[i];
	for (char **e = envp; e && *e; e++) {
		for (unsigned i = 0; i < N_OPTIONS; i++) {
			size_t n = strlen(option_names[i]);
			if (slots[i] || strncmp(*e, option_names[i], n) != 0 || (*e)[n] != '=')
				continue;
			slots[i] = e;
			values[i] = *e + n + 1;
		}
	}
	memset(options, 0, sizeof(*options));
	options->output = slots[OPTION_output] && *values[OPTION_output] ? values[OPTION_output] : NULL;
	options->session = slots[OPTION_session] && *values[OPTION_session] ? values[OPTION_session] : NULL;
	options->depth = number_in(values, OPTION_depth, 4, 4096);
	options->rss_interval_ms = number_in(values, OPTION_rss_interval, 1, 60000);
	options->unwind = read_unwind(values[OPTION_unwind]);
	options->mmap = number_in(values, OPTION_mmap, 0, 1);
	options->verbose = number_in(values, OPTION_verbose, 0, 1);
	read_children(options, values[OPTION_children]);
	options->children_slot = slots[OPTION_children];
	options->output_slot = slots[OPTION_output];
	options->session_slot = slots[OPTION_session];
	if (options->session && !options->output) {
		const char *comma = strchr(options->session, ',');
		options->output = comma && comma[1] ? comma + 1 : NULL;
	}
}
