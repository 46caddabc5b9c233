/* Records of `tidemark dump`: one line of text, "kind key=value ...", or the same as an element of a JSON list.
 * Text values stand in double quotes with \" \\ \n \t \xNN escapes. threads: one. */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>

#include "render/json.h"

struct record {
	FILE *text;            /* NULL when JSON is written */
	struct json_out *json; /* an open list */
	json_t *object;        /* the record being made */
};

void record_begin(struct record *record, const char *kind);
void record_number(struct record *record, const char *key, uint64_t value);
void record_hex(struct record *record, const char *key, uint64_t value);                       /* "0x..." in JSON */
void record_bytes(struct record *record, const char *key, const uint8_t *bytes, size_t count); /* hexadecimal digits */
void record_word(struct record *record, const char *key, const char *word); /* letters, digits, dashes only */
void record_text(struct record *record, const char *key, const char *text);
void record_end(struct record *record);

#endif
