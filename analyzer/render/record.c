/* Records as text or JSON: see record.h. */
#include "render/record.h"

#include <inttypes.h>

void record_begin(struct record *record, const char *kind)
{
	if (record->text)
		fputs(kind, record->text);
	else
		record->object = json_pack("{ss}", "record", kind);
}

void record_number(struct record *record, const char *key, uint64_t value)
{
	if (record->text)
		fprintf(record->text, " %s=%" PRIu64, key, value);
	else
		json_object_set_new(record->object, key, json_count(value));
}

void record_word(struct record *record, const char *key, const char *word)
{
	if (record->text)
		fprintf(record->text, " %s=%s", key, word);
	else
		json_object_set_new(record->object, key, json_string(word));
}

void record_hex(struct record *record, const char *key, uint64_t value)
{
	char word[24];
	snprintf(word, sizeof(word), "0x%" PRIx64, value);
	record_word(record, key, word);
}

void record_bytes(struct record *record, const char *key, const uint8_t *bytes, size_t count)
{
	char word[128] = "-";
	for (size_t i = 0; i < count && 2 * i + 2 < sizeof(word); i++)
		snprintf(word + 2 * i, 3, "%02x", bytes[i]);
	record_word(record, key, word);
}

static void put_escaped(FILE *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", c);
	else if (c == '\n')
		fputs("\\n", out);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c < 0x20 || c == 0x7f)
		fprintf(out, "\\x%02x", c);
	else
		fputc(c, out);
}

void record_text(struct record *record, const char *key, const char *text)
{
	if (!record->text) {
		json_object_set_new(record->object, key, json_text(text));
		return;
	}
	fprintf(record->text, " %s=\"", key);
	for (const char *c = text; *c; c++)
		put_escaped(record->text, (unsigned char)*c);
	fputc('"', record->text);
}

void record_end(struct record *record)
{
	if (record->text)
		fputc('\n', record->text);
	else
		json_element(record->json, record->object);
	record->object = NULL;
}
