/* Suppressions: see suppress.h. Everything that LeakSanitizer suppresses is suppressed here too. In one case more is:
 * it looks at the first place only where "foo$" could match, so that "foo foo" would escape. */
#include "core/suppress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* A suppression in the making: where it stands, and what a comment above it said. */
struct adding {
	struct suppressions *list;
	const char *source;
	unsigned line;
	char *owner;
	char until[11];
};

static int add_pattern(struct adding *a, const char *pattern, size_t length, struct err *err)
{
	struct suppressions *list = a->list;
	if (ARRAY_RESERVE(list->items, list->capacity, list->n_items + 1) < 0)
		return err_memory(err);
	struct suppression item = {.pattern = strndup(pattern, length), .source = a->source, .line = a->line};
	if (!item.pattern)
		return err_memory(err);
	item.owner = a->owner;
	memcpy(item.until, a->until, sizeof(item.until));
	a->owner = NULL;
	a->until[0] = 0;
	list->items[list->n_items++] = item;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_date(const char *text, size_t length)
{
	char copy[11], again[11];
	struct tm tm = {0};
	if (length != 10)
		return false;
	memcpy(copy, text, 10);
	copy[10] = 0;
	const char *end = strptime(copy, "%Y-%m-%d", &tm);
	time_t time = end && !*end ? timegm(&tm) : -1; /* which turns the 30th of February into a day of March */
	return time != -1 && strftime(again, sizeof(again), "%Y-%m-%d", &tm) == 10 && !strcmp(copy, again);
}

/* One word of "# tidemark: owner=NAME until=YYYY-MM-DD". */
static int add_word(struct adding *a, const char *word, size_t length, struct err *err)
{
	if (length > 6 && !memcmp(word, "owner=", 6)) {
		free(a->owner);
		a->owner = strndup(word + 6, length - 6);
		return a->owner ? 0 : err_memory(err);
	}
	if (length > 6 && !memcmp(word, "until=", 6) && is_date(word + 6, length - 6)) {
		memcpy(a->until, word + 6, 10);
		a->until[10] = 0;
		return 0;
	}
	return err_set(err, TIDEMARK_ERR_USAGE,
	    "%s:%u: not understood: '%.*s'; the line reads # tidemark: owner=NAME until=YYYY-MM-DD", a->source, a->line,
	    (int)(length < 80 ? length : 80), word);
}

static int add_comment(struct adding *a, const char *text, const char *end, struct err *err)
{
	static const char ours[] = "tidemark:";
	int result = 0;
	while (text < end && (*text == '#' || is_blank(*text)))
		text++;
	if ((size_t)(end - text) < sizeof(ours) - 1 || memcmp(text, ours, sizeof(ours) - 1))
		return 0;
	text += sizeof(ours) - 1;
	while (!result) {
		while (text < end && is_blank(*text))
			text++;
		const char *word = text;
		while (text < end && !is_blank(*text))
			text++;
		if (word == text)
			break;
		result = add_word(a, word, (size_t)(text - word), err);
	}
	return result;
}

static int add_line(struct adding *a, const char *line, const char *end, struct err *err)
{
	while (line < end && is_blank(*line))
		line++;
	while (end > line && is_blank(end[-1]))
		end--;
	if (line == end)
		return 0;
	if (*line == '#')
		return add_comment(a, line, end, err);
	static const char kind[] = "leak:";
	size_t length = (size_t)(end - line);
	if (length <= sizeof(kind) - 1 || memcmp(line, kind, sizeof(kind) - 1))
		return err_set(err, TIDEMARK_ERR_USAGE, "%s:%u: no suppression: '%.*s'; a line reads leak:PATTERN",
		    a->source, a->line, (int)(length < 80 ? length : 80), line);
	return add_pattern(a, line + sizeof(kind) - 1, length - (sizeof(kind) - 1), err);
}

int suppressions_add_text(
    struct suppressions *list, const char *text, size_t length, const char *source, struct err *err)
{
	struct adding a = {.list = list, .source = source};
	const char *end = text + length;
	int result = 0;
	while (text < end && !result) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		a.line++;
		result = add_line(&a, text, newline ? newline : end, err);
		text = newline ? newline + 1 : end;
	}
	if (!result && (a.owner || a.until[0]))
		result = err_set(
		    err, TIDEMARK_ERR_USAGE, "%s: the last 'tidemark:' line has no suppression below it", source);
	free(a.owner);
	return result;
}

bool suppression_expired(const struct suppression *suppression, time_t now)
{
	struct tm tm;
	char today[11];
	if (!suppression->until[0] || !gmtime_r(&now, &tm) || strftime(today, sizeof(today), "%Y-%m-%d", &tm) != 10)
		return false;
	return strcmp(today, suppression->until) > 0;
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
	if (at_start || *pattern == '*') /* a star takes whatever comes before */
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
	for (size_t i = 0; i < list->n_items; i++) {
		free(list->items[i].pattern);
		free(list->items[i].owner);
	}
	free(list->items);
	*list = (struct suppressions){0};
}
