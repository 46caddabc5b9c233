/* Suppressions: see suppress.h. Everything that LeakSanitizer suppresses is suppressed here too. In one case more is:
 * it looks at the first place only where "foo$" could match, so that "foo foo" would escape. */
#include "core/suppress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define MAX_FILE_BYTES (64u << 20)

/* Each line hides something that stays for the life of a process by design of a widespread library, and that no caller
 * could free. libc's and the loader's own blocks are not here: they are told apart by runtime.c. */
const char suppressions_built_in[] =
    "# thread-local storage and messages that the dynamic loader keeps for each thread\n"
    "leak:*tls_get_addr*\n"
    "leak:*dlerror*\n"
    "# unwinder state loaded when a thread is cancelled or exits\n"
    "leak:*pthread_exit*\n"
    "# GLib: type system and interned strings are never given back\n"
    "leak:^g_type_register_static$\n"
    "leak:^g_type_register_fundamental$\n"
    "leak:^g_type_add_interface_static$\n"
    "leak:^g_quark_from_static_string$\n"
    "leak:^g_quark_from_string$\n"
    "leak:^g_intern_static_string$\n"
    "leak:^g_intern_string$\n";

static int add_pattern(struct suppressions *list, const char *pattern, size_t length, const char *source)
{
	if (ARRAY_RESERVE(list->items, list->capacity, list->n_items + 1) < 0)
		return -1;
	char *copy = strndup(pattern, length);
	if (!copy)
		return -1;
	list->items[list->n_items++] = (struct suppression){.pattern = copy, .source = source};
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static int add_line(
    struct suppressions *list, const char *line, const char *end, const char *source, unsigned number, struct err *err)
{
	while (line < end && is_blank(*line))
		line++;
	while (end > line && is_blank(end[-1]))
		end--;
	if (line == end || *line == '#')
		return 0;
	static const char kind[] = "leak:";
	size_t length = (size_t)(end - line);
	if (length <= sizeof(kind) - 1 || memcmp(line, kind, sizeof(kind) - 1))
		return err_set(err, TIDEMARK_ERR_USAGE, "%s:%u: no suppression: '%.*s'; a line reads leak:PATTERN",
		    source, number, (int)(length < 80 ? length : 80), line);
	if (add_pattern(list, line + sizeof(kind) - 1, length - (sizeof(kind) - 1), source) < 0)
		return err_set(err, TIDEMARK_ERR_MEMORY, "out of memory");
	return 0;
}

int suppressions_add_text(
    struct suppressions *list, const char *text, size_t length, const char *source, struct err *err)
{
	const char *end = text + length;
	for (unsigned number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;
		int result = add_line(list, text, line_end, source, number, err);
		if (result < 0)
			return result;
		text = newline ? newline + 1 : end;
	}
	return 0;
}

/* Read a whole file. returns: its text, to be freed; NULL with err set */
static char *read_file(const char *path, size_t *length, struct err *err)
{
	FILE *file = fopen(path, "re");
	if (!file) {
		err_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	char *text = NULL;
	size_t capacity = 0, n = 0, got;
	*length = 0;
	do {
		if (n >= MAX_FILE_BYTES || array_reserve(&text, &capacity, n + 65536, 1) < 0) {
			err_set(err, TIDEMARK_ERR_MEMORY, "cannot read '%s': it is too large", path);
			goto fail;
		}
		got = fread(text + n, 1, capacity - n, file);
		n += got;
	} while (got);
	if (ferror(file)) {
		err_errno(err, "cannot read '%s'", path);
		goto fail;
	}
	fclose(file);
	*length = n;
	return text;
fail:
	fclose(file);
	free(text);
	return NULL;
}

int suppressions_add_file(struct suppressions *list, const char *path, struct err *err)
{
	size_t length;
	char *text = read_file(path, &length, err);
	if (!text)
		return err->code;
	int result = suppressions_add_text(list, text, length, path, err);
	free(text);
	return result;
}

/* Glob matching of pattern[0..n) against the whole text, '*' only; the usual two pointers, no recursion. */
static bool matches_whole(const char *pattern, size_t n, const char *text)
{
	size_t p = 0, star = SIZE_MAX;
	const char *retry = text;
	while (*text) {
		if (p < n && pattern[p] == '*') {
			star = ++p;
			retry = text;
		} else if (p < n && pattern[p] == *text) {
			p++;
			text++;
		} else if (star != SIZE_MAX) {
			p = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (p < n && pattern[p] == '*')
		p++;
	return p == n;
}

/* pattern[0..n) at the text's start, with anything after it when `open_end`. */
static bool matches_start(const char *pattern, size_t n, const char *text, bool open_end)
{
	if (!open_end)
		return matches_whole(pattern, n, text);
	size_t p = 0, star = SIZE_MAX;
	const char *retry = text;
	for (;;) {
		if (p == n)
			return true;
		if (pattern[p] == '*') {
			star = ++p;
			retry = text;
		} else if (*text && pattern[p] == *text) {
			p++;
			text++;
		} else if (star != SIZE_MAX && *retry) {
			p = star;
			text = ++retry;
		} else {
			return false;
		}
	}
}

bool suppress_matches(const char *pattern, const char *text)
{
	if (!*text)
		return false;
	bool at_start = *pattern == '^';
	if (at_start)
		pattern++;
	/* What follows a '$' cannot match any more; LeakSanitizer does not look at it either. */
	size_t n = strcspn(pattern, "$");
	bool open_end = pattern[n] != '$';
	if (at_start)
		return matches_start(pattern, n, text, open_end);
	for (const char *from = text; *from; from++)
		if (matches_start(pattern, n, from, open_end))
			return true;
	return n == 0;
}

int suppressions_match(const struct suppressions *list, const struct frame_view *view)
{
	for (size_t i = 0; i < list->n_items; i++) {
		const char *pattern = list->items[i].pattern;
		if (suppress_matches(pattern, view->module) || suppress_matches(pattern, view->function) ||
		    suppress_matches(pattern, view->file))
			return (int)i;
	}
	return SUPPRESS_NONE;
}

void suppressions_release(struct suppressions *list)
{
	for (size_t i = 0; i < list->n_items; i++)
		free(list->items[i].pattern);
	free(list->items);
	*list = (struct suppressions){0};
}
