/* A part of TOML 1.0: see toml.h. A recursive descent over the whole text, which is NUL-terminated. */
#include "core/toml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define MAX_BYTES (1u << 20)

struct scan {
	const char *path;
	const char *at;
	unsigned line;
	struct err *err;
	struct toml *toml;
	char *table;
};

/* A text that grows. */
struct text {
	char *bytes;
	size_t n, capacity;
};

static int wrong(struct scan *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct scan *s, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(s->err, TIDEMARK_ERR_USAGE, "%s:%u: %s", s->path, s->line, text);
}

static int put(struct scan *s, struct text *text, char c)
{
	if (ARRAY_RESERVE(text->bytes, text->capacity, text->n + 2) < 0)
		return err_memory(s->err);
	text->bytes[text->n++] = c;
	text->bytes[text->n] = 0;
	return 0;
}

static void skip_blanks(struct scan *s)
{
	while (*s->at == ' ' || *s->at == '\t')
		s->at++;
}

static void skip_comment(struct scan *s)
{
	skip_blanks(s);
	if (*s->at == '#')
		s->at += strcspn(s->at, "\n");
	if (s->at[0] == '\r' && s->at[1] == '\n')
		s->at++;
}

/* Blanks, comments and line ends. */
static void skip_lines(struct scan *s)
{
	for (skip_comment(s); *s->at == '\n'; skip_comment(s)) {
		s->at++;
		s->line++;
	}
}

static int end_of_line(struct scan *s)
{
	skip_comment(s);
	if (!*s->at)
		return 0;
	if (*s->at != '\n')
		return wrong(s, "the line should end before '%.*s'", (int)strcspn(s->at, "\r\n"), s->at);
	s->at++;
	s->line++;
	return 0;
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* --- strings --- */

static int put_utf8(struct scan *s, struct text *text, unsigned long code)
{
	if (!code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return wrong(s, "no character: U+%04lX", code);
	if (code < 0x80)
		return put(s, text, (char)code);
	unsigned n = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
	int result = put(s, text, (char)(heads[n] | code >> (6 * n)));
	while (n-- && !result)
		result = put(s, text, (char)(0x80 | (code >> (6 * n) & 0x3f)));
	return result;
}

static int escape(struct scan *s, struct text *text)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	char c = *s->at++;
	const char *found = c ? strchr(from, c) : NULL;
	if (found)
		return put(s, text, to[found - from]);
	size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
	if (!digits || strspn(s->at, "0123456789abcdefABCDEF") < digits)
		return wrong(s, "unknown escape '\\%c'", c ? c : ' ');
	char hex[9] = {0};
	memcpy(hex, s->at, digits);
	s->at += digits;
	return put_utf8(s, text, strtoul(hex, NULL, 16));
}

/* A string in either quotes, which s->at stands on. */
static int string(struct scan *s, char **out)
{
	struct text text = {0};
	char quote = *s->at++;
	if (s->at[0] == quote && s->at[1] == quote)
		return wrong(s, "strings of several lines are not read here");
	int result = put(s, &text, 0);
	text.n = 0;
	while (!result && *s->at != quote) {
		if (!*s->at || *s->at == '\n')
			result = wrong(s, "a string without its closing %c", quote);
		else if (*s->at == '\\' && quote == '"')
			s->at++, result = escape(s, &text);
		else
			result = put(s, &text, *s->at++);
	}
	if (result < 0) {
		free(text.bytes);
		return result;
	}
	s->at++;
	*out = text.bytes;
	return 0;
}

/* --- keys --- */

static int key_part(struct scan *s, char **out)
{
	if (*s->at == '"' || *s->at == '\'')
		return string(s, out);
	size_t n = 0;
	while (is_bare(s->at[n]))
		n++;
	if (!n)
		return wrong(s, "a key should stand here, not '%.*s'", (int)strcspn(s->at, "\r\n"), s->at);
	*out = strndup(s->at, n);
	s->at += n;
	return *out ? 0 : err_memory(s->err);
}

/* PART.PART.PART: all but the last are appended to the table's name *table (taken, may change); the last is *key. */
static int key_path(struct scan *s, char **table, char **key)
{
	int result = key_part(s, key);
	for (skip_blanks(s); !result && *s->at == '.'; skip_blanks(s)) {
		char *longer = NULL;
		if (asprintf(&longer, "%s%s%s", *table, **table ? "." : "", *key) < 0)
			return err_memory(s->err);
		free(*table);
		free(*key);
		*table = longer;
		*key = NULL;
		s->at++;
		skip_blanks(s);
		result = key_part(s, key);
	}
	return result;
}

static int table_header(struct scan *s)
{
	char *table = strdup(""), *key = NULL;
	int result = table ? 0 : err_memory(s->err);
	s->at++;
	if (!result && *s->at == '[')
		result = wrong(s, "lists of tables are not read here");
	skip_blanks(s);
	if (!result)
		result = key_path(s, &table, &key);
	if (!result && *s->at++ != ']')
		result = wrong(s, "a table's name without its closing ]");
	free(s->table);
	s->table = NULL;
	if (!result && asprintf(&s->table, "%s%s%s", table, *table ? "." : "", key) < 0) {
		s->table = NULL;
		result = err_memory(s->err);
	}
	free(table);
	free(key);
	return result < 0 ? result : end_of_line(s);
}

/* --- values --- */

static int list(struct scan *s, struct toml_item *item)
{
	item->kind = TOML_LIST;
	s->at++;
	for (skip_lines(s); *s->at != ']'; skip_lines(s)) {
		if (*s->at != '"' && *s->at != '\'')
			return wrong(s, "a list of strings should go on here");
		if (ARRAY_RESERVE(item->list, item->list_capacity, item->n_list + 1) < 0)
			return err_memory(s->err);
		int result = string(s, &item->list[item->n_list]);
		if (result < 0)
			return result;
		item->n_list++;
		skip_lines(s);
		if (*s->at == ',')
			s->at++;
		else if (*s->at != ']')
			return wrong(s, "a list without its closing ]");
	}
	s->at++;
	return 0;
}

/* A number as TOML writes it, decimal only. */
static bool is_number(const char *text)
{
	char *end;
	if (strspn(text, "+-0123456789.eE") != strlen(text) || !strpbrk(text, "0123456789"))
		return false;
	errno = 0;
	strtod(text, &end);
	return !*end && !errno;
}

static int word(struct scan *s, struct toml_item *item)
{
	size_t n = strcspn(s->at, " \t\r\n#,]");
	struct text text = {0};
	int result = put(s, &text, 0);
	text.n = 0;
	for (size_t i = 0; i < n && !result; i++)
		if (s->at[i] != '_')
			result = put(s, &text, s->at[i]);
	item->text = text.bytes;
	if (result < 0)
		return result;
	bool boolean = !strcmp(text.bytes, "true") || !strcmp(text.bytes, "false");
	item->kind = boolean ? TOML_BOOL : TOML_NUMBER;
	if (!boolean && !is_number(text.bytes))
		return wrong(s, "no value: '%.*s'; texts and sizes with a unit stand in quotes", (int)n, s->at);
	s->at += n;
	return 0;
}

static int value(struct scan *s, struct toml_item *item)
{
	if (*s->at == '"' || *s->at == '\'') {
		item->kind = TOML_TEXT;
		return string(s, &item->text);
	}
	if (*s->at == '[')
		return list(s, item);
	if (*s->at == '{')
		return wrong(s, "inline tables are not read here; write a [table] of its own");
	return word(s, item);
}

static int key_value(struct scan *s)
{
	struct toml *toml = s->toml;
	if (ARRAY_RESERVE(toml->items, toml->capacity, toml->n_items + 1) < 0)
		return err_memory(s->err);
	struct toml_item *item = &toml->items[toml->n_items++]; /* released with the rest when it stays unfinished */
	*item = (struct toml_item){.line = s->line, .table = strdup(s->table)};
	int result = item->table ? key_path(s, &item->table, &item->key) : err_memory(s->err);
	if (!result && *s->at != '=')
		result = wrong(s, "'=' should follow the key '%s'", item->key);
	if (result < 0)
		return result;
	for (size_t i = 0; i + 1 < toml->n_items; i++)
		if (!strcmp(toml->items[i].table, item->table) && !strcmp(toml->items[i].key, item->key))
			return wrong(s, "'%s' stands in line %u already", item->key, toml->items[i].line);
	s->at++;
	skip_blanks(s);
	result = value(s, item);
	return result < 0 ? result : end_of_line(s);
}

static int parse(struct scan *s)
{
	int result = 0;
	if (!strncmp(s->at, "\xef\xbb\xbf", 3))
		s->at += 3;
	for (skip_lines(s); *s->at && !result; skip_lines(s))
		result = *s->at == '[' ? table_header(s) : key_value(s);
	return result;
}

/* --- the file --- */

static char *read_text(const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");
	char *text = file ? calloc(1, MAX_BYTES + 1) : NULL;
	if (!file || !text) {
		err_errno(err, "cannot open '%s'", path);
		if (file)
			fclose(file);
		return NULL;
	}
	size_t n = fread(text, 1, MAX_BYTES, file);
	bool failed = ferror(file);
	if (failed)
		err_errno(err, "cannot read '%s'", path);
	else if (n == MAX_BYTES || strlen(text) != n)
		failed = err_set(err, TIDEMARK_ERR_USAGE, "cannot read '%s': it is no text, or too large", path) < 0;
	fclose(file);
	if (!failed)
		return text;
	free(text);
	return NULL;
}

int toml_read(struct toml *toml, const char *path, struct err *err)
{
	*toml = (struct toml){.path = strdup(path)};
	char *text = read_text(path, err);
	if (!text)
		return err->code;
	struct scan scan = {.path = path, .at = text, .line = 1, .err = err, .toml = toml, .table = strdup("")};
	int result = toml->path && scan.table ? parse(&scan) : err_memory(err);
	free(scan.table);
	free(text);
	return result;
}

void toml_release(struct toml *toml)
{
	for (size_t i = 0; i < toml->n_items; i++) {
		struct toml_item *item = &toml->items[i];
		for (size_t k = 0; k < item->n_list; k++)
			free(item->list[k]);
		free(item->list);
		free(item->table);
		free(item->key);
		free(item->text);
	}
	free(toml->items);
	free(toml->path);
	*toml = (struct toml){0};
}
