/* JSON output: see json.h. One key a line, one list element a line: long lists stay readable with line tools. */
#include "render/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "render/term.h"

#define FLAGS (JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY)

int json_open(struct json_out *out, const char *path, struct err *err)
{
	*out = (struct json_out){.path = path, .file = output_open(path, err)};
	return out->file ? 0 : TIDEMARK_ERR_SYSTEM;
}

void json_begin(struct json_out *out)
{
	fputs("{", out->file);
	out->first = true;
}

static void separate(struct json_out *out, const char *indent)
{
	fprintf(out->file, "%s\n%s", out->first ? "" : ",", indent);
	out->first = false;
}

static void dump_key(struct json_out *out, const char *key)
{
	json_t *name = json_string(key);
	json_dumpf(name, out->file, FLAGS);
	json_decref(name);
	fputs(": ", out->file);
}

void json_head(struct json_out *out, json_t *head)
{
	const char *key;
	json_t *value;
	json_object_foreach(head, key, value)
	{
		separate(out, "  ");
		dump_key(out, key);
		json_dumpf(value, out->file, FLAGS);
	}
	json_decref(head);
}

void json_list(struct json_out *out, const char *name)
{
	separate(out, "  ");
	dump_key(out, name);
	fputc('[', out->file);
	out->first = true;
}

void json_element(struct json_out *out, json_t *element)
{
	separate(out, "    ");
	json_dumpf(element, out->file, FLAGS);
	json_decref(element);
}

void json_list_end(struct json_out *out)
{
	fputs(out->first ? "]" : "\n  ]", out->file);
	out->first = false;
}

void json_end(struct json_out *out)
{
	fputs("\n}\n", out->file);
}

void json_write(struct json_out *out, json_t *document)
{
	json_begin(out);
	json_head(out, document);
	json_end(out);
}

int json_close(struct json_out *out, struct err *err)
{
	return output_close(out->file, out->path, err);
}

json_t *json_text(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	json_t *plain = json_string(text); /* NULL when it is no UTF-8 */
	if (plain)
		return plain;
	char *clean = malloc(strlen(text) * 3 + 1), *end = clean;
	if (!clean)
		return NULL;
	while (*text) {
		size_t n = utf8_length(text);
		memcpy(end, n ? text : replacement, n ? n : 3);
		end += n ? n : 3;
		text += n ? n : 1;
	}
	*end = 0;
	json_t *string = json_string(clean);
	free(clean);
	return string;
}

json_t *json_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

void json_add_figures(json_t *object, const struct json_figure *figures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, figures[i].key, json_count(figures[i].count));
}

void json_add_costs(json_t *object, const struct profile_row *sums, enum cost cost)
{
	json_add(object, {"value", cost_value(sums, cost)}, {"allocations", sums->allocations},
	    {"allocated_bytes", sums->allocated_bytes}, {"leaked_bytes", sums->live_bytes},
	    {"leaked_blocks", sums->live_blocks}, {"peak_bytes", sums->peak_bytes}, {"peak_blocks", sums->peak_blocks},
	    {"temporary_allocations", sums->temporary});
}

json_t *json_mark(const struct profile *profile, const struct profile_mark *mark)
{
	json_t *item = json_object();
	json_object_set_new(item, "name", json_text(profile->trace->strings[mark->name]));
	json_object_set_new(item, "time", json_seconds(mark->tick));
	json_add(item, {"operations", mark->ops}, {"event", mark->event}, {"heap_bytes", mark->heap_bytes},
	    {"heap_blocks", mark->live_blocks});
	return item;
}

json_t *json_seconds(uint64_t ticks)
{
	return json_real((double)ticks / (1e9 / TIDEMARK_TICK_NS));
}

static json_t *json_frame(const struct frame_view *view)
{
	char label[FRAME_LABEL_BYTES], offset[24];
	json_t *frame = json_object();
	snprintf(offset, sizeof(offset), "0x%" PRIx64, view->offset);
	json_object_set_new(frame, "function", json_text(frame_label(view, label)));
	json_object_set_new(frame, "file", json_text(view->file));
	json_object_set_new(frame, "line", json_integer(view->line));
	json_object_set_new(frame, "module", json_text(view->module));
	json_object_set_new(frame, "inlined", json_boolean(view->inlined));
	json_object_set_new(frame, "offset", json_string(offset));
	return frame;
}

json_t *json_frames(const struct frame_view *const *frames, size_t n_frames)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n_frames; i++)
		json_array_append_new(list, json_frame(frames[i]));
	return list;
}
