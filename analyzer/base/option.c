/* Command-line options: see option.h. */
#include "base/option.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/size.h"

#define LEFT_BYTES 128

/* The left column of an option's line. returns: its width */
static int left_text(char left[LEFT_BYTES], const struct option *option)
{
	const char *open = "", *close = "";
	if (option->kind == OPTION_OPTIONAL) {
		open = "[=";
		close = "]";
	} else if (option->argument) {
		open = " ";
	}
	char letter[8] = "    ";
	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	return snprintf(left, LEFT_BYTES, "  %s--%s%s%s%s", letter, option->name, open,
	    option->argument ? option->argument : "", close);
}

static void print_help(const struct option_table *table)
{
	char left[LEFT_BYTES];
	int column = 0;
	for (const struct option *o = table->options; o->name; o++) {
		int width = left_text(left, o);
		column = width > column ? width : column;
	}
	printf("usage: tidemark %s\n%s\n\n", table->synopsis, table->purpose);
	for (const struct option *o = table->options; o->name; o++) {
		left_text(left, o);
		printf("%-*s  %s\n", column, left, o->help);
	}
	printf("%-*s  %s\n", column, "      --help", "show this and exit");
}

static const struct option *find_long(const struct option_table *table, const char *name, size_t length)
{
	for (const struct option *o = table->options; o->name; o++)
		if (strlen(o->name) == length && !memcmp(o->name, name, length))
			return o;
	return NULL;
}

static const struct option *find_letter(const struct option_table *table, char letter)
{
	for (const struct option *o = table->options; o->name; o++)
		if (letter && o->letter == letter)
			return o;
	return NULL;
}

static int push_text(struct option_list *list, const char *text, struct err *err)
{
	if (ARRAY_RESERVE(list->items, list->capacity, list->n_items + 1) < 0)
		return err_memory(err);
	list->items[list->n_items++] = text;
	return 0;
}

static int set_number(const struct option *option, const char *text, struct err *err)
{
	uint64_t max = option->max ? option->max : INT64_MAX;
	uint64_t *number = option->value;
	if (count_parse(text, max, number) && *number >= option->min)
		return 0;
	if (!option->max)
		return err_set(
		    err, TIDEMARK_ERR_USAGE, "'%s' is no number from %lu up for --%s", text, option->min, option->name);
	return err_set(err, TIDEMARK_ERR_USAGE, "'%s' is no number from %lu to %" PRIu64 " for --%s", text, option->min,
	    max, option->name);
}

static int set_value(const struct option *option, const char *text, struct err *err)
{
	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)option->value = true;
		return 0;
	case OPTION_TEXT:
	case OPTION_OPTIONAL:
		*(const char **)option->value = text;
		return 0;
	case OPTION_LIST:
		return push_text(option->value, text, err);
	case OPTION_NUMBER:
		return set_number(option, text, err);
	case OPTION_SIZE:
		if (size_parse(text, option->value))
			return 0;
		return err_set(err, TIDEMARK_ERR_USAGE, "'%s' is no size for --%s; try 1500, 64k, 10MB or 10MiB", text,
		    option->name);
	}
	return 0;
}

/* argv[*i] is an option: take it and its argument. */
static int take_option(const struct option_table *table, int argc, char **argv, int *i, struct err *err)
{
	const char *word = argv[*i];
	bool is_long = word[1] == '-';
	size_t length = is_long ? strcspn(word + 2, "=") : 1;
	const struct option *option = is_long ? find_long(table, word + 2, length) : find_letter(table, word[1]);
	if (!option)
		return err_set(err, TIDEMARK_ERR_USAGE, "unknown option '%s'; see tidemark %.*s --help", word,
		    (int)strcspn(table->synopsis, " "), table->synopsis);
	const char *text = NULL;
	if (is_long && word[2 + length] == '=')
		text = word + 2 + length + 1;
	else if (!is_long && word[2])
		text = word + 2;
	bool takes_next = option->kind != OPTION_FLAG && option->kind != OPTION_OPTIONAL;
	if (!text && takes_next) {
		if (*i + 1 >= argc)
			return err_set(err, TIDEMARK_ERR_USAGE, "option '%s' needs %s", word,
			    option->argument ? option->argument : "an argument");
		text = argv[++*i];
	}
	if (text && option->kind == OPTION_FLAG)
		return err_set(err, TIDEMARK_ERR_USAGE, "option '--%s' takes no argument", option->name);
	return set_value(option, text ? text : "", err);
}

int option_parse(const struct option_table *table, int argc, char **argv, struct err *err)
{
	int n_operands = 0;
	bool ended = false;
	for (int i = 1; i < argc; i++) {
		if (ended || argv[i][0] != '-' || !argv[i][1]) {
			argv[1 + n_operands++] = argv[i];
			ended |= table->stop_at_operand;
		} else if (!strcmp(argv[i], "--")) {
			ended = true;
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_help(table);
			return OPTION_HELP_SHOWN;
		} else {
			int result = take_option(table, argc, argv, &i, err);
			if (result < 0)
				return result;
		}
	}
	if (argc > n_operands + 1)
		argv[n_operands + 1] = NULL;
	return n_operands;
}
