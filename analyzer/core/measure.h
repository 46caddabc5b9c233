/* The figures of one or several recordings that gates, baselines and histories go by. Files of one session are the processes
 * of one service: their figures are summed, on one time axis where time matters. Files of different sessions are runs of
 * one benchmark: a figure is the median over the runs. docs/metrics.md, "The gate", defines them.
 * Enters: recordings. Leaves: metrics, and the stacks behind them. threads: one at a time; immutable once read. */
#ifndef MEASURE_H
#define MEASURE_H

#include "core/operations.h"
#include "core/runtime.h"
#include "core/stacks.h"
#include "core/suppress.h"

enum metric_kind {
	METRIC_PEAK_HEAP,
	METRIC_PEAK_RSS,
	METRIC_LEAKED,      /* alive at the end, all: as summary prints it */
	METRIC_PROGRAM,     /* of these the program's: neither the runtime's nor suppressed */
	METRIC_ALLOCATIONS, /* how many */
	METRIC_ALLOCATED,
	METRIC_TEMPORARY,           /* how many */
	METRIC_FIXED,               /* the number of those that every recording has */
	METRIC_RATE = METRIC_FIXED, /* leaked bytes per 100 operations, of all operations */
	METRIC_RATE_OF,             /* of the operations of one name */
};

#define METRIC_CULPRITS 10

struct culprit {
	uint32_t stack; /* into measure.stacks */
	double value;   /* its part of the metric; with a baseline what it grew by */
};

struct metric {
	enum metric_kind kind;
	char *name;            /* "peak_heap_bytes", "leaked_bytes_per_100/checkout" */
	const char *operation; /* RATE_OF: part of name; else NULL */
	double value;          /* NAN: not measured in every run */
	double low, high;      /* of rates: the bounds, high may be INFINITY; else NAN */
	double *runs;          /* one for each session; NAN where there is none */
	double *lows, *highs;  /* of rates, the same way; else NULL */
	double *bounds, bound; /* of rates: the upper bound also where high is INFINITY for want of operations */
	struct culprit culprits[METRIC_CULPRITS]; /* largest first */
	size_t n_culprits;
	struct culprit plain_culprits[METRIC_CULPRITS]; /* of rates: by growth since the warm-up; of one run */
	size_t n_plain_culprits;
};

struct measure_frame {
	char *function, *file, *module; /* function: its label, never empty; module: a path */
	uint32_t line;
	bool main; /* of the main program */
};

struct measure_stack {
	uint64_t fingerprint;
	double values[METRIC_FIXED]; /* its part of each, medians; PEAK_RSS and LEAKED are 0 */
	double rate;                 /* bytes per 100 operations, of the total; median */
	uint32_t *frames;            /* into measure.frames, innermost first; NULL when it matters nowhere */
	uint32_t n_frames;
};

struct measure_session {
	const char **paths; /* into measure.paths */
	size_t n_paths;
	uint8_t id[16];
	char **others; /* files of it that were not given; owned, set by the caller of measure_read */
	size_t n_others;
	bool torn;            /* a file has no end, or stopped recording early */
	uint64_t lost_events; /* > 0: figures may be wrong in both directions */
	bool empty;           /* not one allocation was seen: nothing can be said of the heap */
	double rss_slack;     /* bytes by which peak RSS may have been larger than what was seen: in a run so short that
	                       * samples say little, the peak heap */
	struct operations *operations;
};

struct measure {
	char *program; /* name of the largest process of the first session */
	char **paths;
	size_t n_paths;
	struct measure_session *sessions;
	size_t n_sessions;
	struct metric *metrics; /* FIXED ones in order, RATE when there were operations, then RATE_OF each name */
	size_t n_metrics, metrics_capacity;
	struct measure_stack *stacks;
	size_t n_stacks;
	struct measure_frame *frames;
	size_t n_frames;
	struct suppressions suppressions; /* with what each hid, over all sessions */
	char **notes;                     /* what a reader must know, sentences */
	size_t n_notes, notes_capacity;
	struct measure_private *private_state;
};

/* Add a sentence to the notes. errors: MEMORY */
int measure_note(struct measure *measure, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Find or make the metric of an operation's rate, NULL: of the total's. returns: NULL when memory is short */
struct metric *measure_rate_metric(struct measure *measure, const char *operation);

/* Find a metric by its name. returns: NULL when there is none */
const struct metric *measure_find(const struct measure *measure, const char *name);

/* Put a culprit among the largest METRIC_CULPRITS of a list, in order. */
void culprits_add(struct culprit *culprits, size_t *n, struct culprit culprit);

/* The frame of a stack that a person would look at first: the innermost one with a source line that belongs neither to a
 * language's library nor to the system's, or else the innermost of the main program, or else any with a source line.
 * returns: its place in the stack's frames; 0 when there is none of these, or the stack is not kept */
uint32_t measure_own_frame(const struct measure *measure, const struct measure_stack *stack);

/* How many frames after the innermost one lie inside the libraries that allocate for the program, templates of C++ for
 * example. Where a stack is not shown whole they are left out, but for the one that the program called. */
uint32_t measure_inner_frames(const struct measure *measure, const struct measure_stack *stack);

/* Its name in documents: "peak_heap_bytes"... ; of a rate of one operation what comes before the operation's. */
const char *metric_name(enum metric_kind kind);

/* "bytes", "allocations" or "bytes per 100 operations". */
const char *metric_unit(enum metric_kind kind);

/* For people: "peak heap", "left per 100 operations"... */
const char *metric_label(enum metric_kind kind);

/* A session's id in hexadecimal, as documents have it. returns: text */
#define SESSION_ID_TEXT_BYTES 33
const char *session_id_text(char text[SESSION_ID_TEXT_BYTES], const uint8_t id[16]);

/* The value for people, with its unit. returns: text */
#define METRIC_TEXT_BYTES 48
const char *metric_text(char text[METRIC_TEXT_BYTES], enum metric_kind kind, double value);

/* The median of n values, the mean of the middle two where n is even; NAN when n is 0, a value is NAN, or memory
 * is short. values: left as they are */
double measure_median(const double *values, size_t n);

#endif
