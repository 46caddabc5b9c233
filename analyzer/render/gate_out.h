/* The gate's verdict in the forms that people and CI systems read. docs/ci.md shows where each goes, docs/json.md tells the
 * keys. Every renderer takes a judged gate and writes a whole document. threads: any. */
#ifndef GATE_OUT_H
#define GATE_OUT_H

#include <jansson.h>
#include <stdio.h>

#include "core/gate.h"

struct gate_out {
	const struct gate *gate;
	const char *folder; /* source paths below it are printed relative to it; NULL: none are */
	const char *where;  /* a file to point at for what has no place in the sources: thresholds or a recording */
};

void gate_text(const struct gate_out *out, FILE *file);
void gate_markdown(const struct gate_out *out, FILE *file);
void gate_junit(const struct gate_out *out, FILE *file);
/* GitHub's workflow commands: an annotation for each check that did not pass. */
void gate_github(const struct gate_out *out, FILE *file);

/* returns: a new document; NULL when memory is short */
json_t *gate_json(const struct gate_out *out);
json_t *gate_sarif(const struct gate_out *out);
json_t *gate_gitlab(const struct gate_out *out);    /* Code Quality */
json_t *gate_bencher(const struct gate_out *out);   /* Bencher Metric Format */
json_t *gate_benchmark(const struct gate_out *out); /* github-action-benchmark, customSmallerIsBetter */

/* --- what the renderers share --- */

/* "FAIL", "warn": failures and what is no verdict catch the eye. */
const char *gate_verdict_text(enum verdict verdict);

/* A source path as CI systems want it: relative to the folder where it lies below it. */
const char *gate_path(const struct gate_out *out, const char *path);

/* The frame with a source line that a check points at, of its first culprit. returns: NULL when there is none */
const struct measure_frame *gate_place(const struct gate_out *out, const struct gate_check *check);

/* A name that is valid UTF-8 without control characters; wrong bytes become '?'. returns: to be freed, NULL: no memory */
char *gate_clean(const char *text);

/* "server: FAIL", and "3 runs, 6 recordings" or "". */
const char *gate_runs_text(const struct gate_out *out, char text[80]);

#endif
