/* What all reports share: their options, opening a recording with progress, names for frames, what is wrong with the
 * recording. Called by cmd_summary, leaks, top, folded, timeline and diff. threads: one. */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>

#include "base/option.h"
#include "base/progress.h"
#include "core/group.h"
#include "core/leaks.h"
#include "core/profile.h"
#include "core/stacks.h"
#include "render/json.h"
#include "render/term.h"

struct report_options {
	const char *json; /* NULL: text only; "": JSON on standard output instead; else a file, and text as well */
	bool strict;      /* exit 4 when the recording is not whole */
	const char *sysroot;
	struct option_list debug_dirs, suppression_files, group_rules;
	bool no_debug_files, no_built_in;
	const char *cost_name, *from, *to;
	uint64_t limit; /* stacks; 0: all; REPORT_NO_LIMIT: the user said nothing */
};

#define REPORT_NO_LIMIT UINT64_MAX

/* How many stacks a text shows of n: --limit, else by_default; and a JSON document: --limit, else all. */
size_t report_text_limit(const struct report_options *options, size_t n, size_t by_default);
size_t report_json_limit(const struct report_options *options, size_t n);

/* Rows of an option table for the fields above; `o` is a struct report_options. */
#define REPORT_OPTIONS_COMMON(o)                                                                                       \
	{"json", 0, OPTION_OPTIONAL, &(o).json, "FILE", "print JSON, or write it to FILE besides the text", 0, 0},     \
	{                                                                                                              \
		"strict", 0, OPTION_FLAG, &(o).strict, NULL, "exit 4 if the recording is incomplete or lost events",   \
		    0, 0                                                                                               \
	}
#define REPORT_OPTIONS_SYMBOLS(o)                                                                                      \
	{"sysroot", 0, OPTION_TEXT, &(o).sysroot, "DIR", "look for modules and debug files below DIR first", 0, 0},    \
	    {"debug-dir", 0, OPTION_LIST, &(o).debug_dirs, "DIR", "look for debug files in DIR too; may be repeated",  \
	        0, 0},                                                                                                 \
	{                                                                                                              \
		"no-debug-files", 0, OPTION_FLAG, &(o).no_debug_files, NULL,                                           \
		    "do not look for debug files beside the modules", 0, 0                                             \
	}
#define REPORT_OPTIONS_SUPPRESS(o)                                                                                     \
	{                                                                                                              \
		"suppressions", 0, OPTION_LIST, &(o).suppression_files, "FILE",                                        \
		    "leave out leaks that FILE names (LeakSanitizer's syntax); may be repeated", 0, 0                  \
	}
#define REPORT_OPTIONS_WINDOW(o)                                                                                       \
	{"from", 0, OPTION_TEXT, &(o).from, "T", "start at T: a mark, seconds (1.5s), percent of the events (50%)", 0, \
	    0},                                                                                                        \
	{                                                                                                              \
		"to", 0, OPTION_TEXT, &(o).to, "T", "end at T", 0, 0                                                   \
	}
#define REPORT_OPTIONS_LIMIT(o)                                                                                        \
	{                                                                                                              \
		"limit", 'n', OPTION_NUMBER, &(o).limit, "N", "show the first N stacks; 0: all", 0, 0                  \
	}
#define REPORT_OPTIONS_GROUP(o)                                                                                        \
	{                                                                                                              \
		"group", 'g', OPTION_LIST, &(o).group_rules, "RULE",                                                   \
		    "show groups instead of stacks: " GROUP_RULES "; may be repeated", 0, 0                            \
	}
#define REPORT_OPTIONS_COST(o)                                                                                         \
	{                                                                                                              \
		"cost", 'c', OPTION_TEXT, &(o).cost_name, "C", COST_NAMES, 0, 0                                        \
	}
#define REPORT_OPTIONS_END                                                                                             \
	{                                                                                                              \
		NULL, 0, OPTION_FLAG, NULL, NULL, NULL, 0, 0                                                           \
	}

void report_options_release(struct report_options *options);

/* One recording, read. */
struct report {
	const struct report_options *options;
	struct profile *profile;
	struct resolver *resolver;
	bool owns_resolver;
};

struct report_window { /* which part, and what to compute on the way; see struct profile_options */
	uint32_t n_points;
	const char *from, *to;
	bool whole_live, by_thread;
};

/* Read a recording; waits for its writer and shows progress. resolver: of another report, to share; NULL: a new one.
 * errors: those of profile_read */
int report_open(struct report *report, const char *path, const struct report_options *options,
    const struct report_window *window, struct resolver *resolver, struct err *err);

/* resolver stays when it was given to report_open. */
void report_close(struct report *report);

/* Its stacks; see stacks_add. */
int report_stacks(struct report *report, struct stacks *stacks, unsigned source, struct err *err);

/* --group. errors: USAGE, MEMORY */
int report_groups(const struct report_options *options, struct groups *groups, struct err *err);

/* The rules of --group as they were given, for documents. */
json_t *report_group_rules(const struct report_options *options);

/* Its leaks, by the suppressions of the options, of the program, and the built-in ones. stacks: sorted before.
 * suppressions: filled; the caller releases it */
int report_leaks(struct report *report, const struct stacks *stacks, struct suppressions *suppressions,
    struct leaks *leaks, struct err *err);

/* Add the suppressions that the recorded program brought with it. What __lsan_default_suppressions() said is the
 * program's affair: a bad line there is said and does not end the report. */
void report_add_embedded(const struct trace *trace, struct suppressions *suppressions);

/* Take the rows out that the files of --suppressions name, live blocks only: other costs stay. What hid how much is
 * said on stderr. For reports that show all other stacks, runtime's and the program's own suppressions included. */
int report_drop_suppressed(const struct report *report, struct stacks *stacks, struct err *err);

/* --cost. errors: USAGE */
int report_cost(const struct report_options *options, enum cost *cost, struct err *err);

/* Exactly n recordings named? errors: USAGE, with a hint at --help */
int report_operands(int found, int wanted, const char *command, struct err *err);

/* --- what is wrong with a recording --- */

/* Events that were lost: the reader's own count or the shim's, whichever is larger. */
uint64_t report_lost_events(const struct report *report);

/* Sentences for people, most serious first. */
#define REPORT_MAX_WARNINGS 8
struct report_warnings {
	char text[REPORT_MAX_WARNINGS][512];
	size_t n;
};

/* Add one sentence; none when there is no room. */
__attribute__((format(printf, 2, 3))) void report_add_warning(
    struct report_warnings *warnings, const char *format, ...);

/* Sentences at the top of a text, and an empty line below them; nothing where there are none. */
void report_print_sentences(const struct term *term, const struct report_warnings *warnings);

/* The report's own warnings at the top of a text, or on stderr where the output is for machines. */
void report_print_warnings(const struct term *term, const struct report *report);
void report_say_warnings(const struct report *report);

/* A line about the recordings of other processes of the session, where they lie beside this one. */
void report_print_others(const struct term *term, const struct report *report);

/* The keys that every document begins with: schema, recording {file, program, ...}, complete, lost_events, warnings. */
json_t *report_json_head(const struct report *report, const char *schema);

/* "NAME (pid N)", for titles. */
const char *report_title(const struct report *report, char *text, size_t n);

/* What a command returns after it printed its report. */
int report_status(const struct report *report);

#endif
