/* Folded stacks: see folded.h. flamegraph.pl takes a line apart at its last blank, and once more when a number stands
 * before that (its differential form): so no blank may come from a name. */
#include "render/folded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "render/term.h"

static int append(struct folded *folded, const char *bytes, size_t n)
{
	if (ARRAY_RESERVE(folded->line, folded->capacity, folded->length + n + 1) < 0)
		return -1;
	memcpy(folded->line + folded->length, bytes, n);
	folded->length += n;
	folded->line[folded->length] = 0;
	return 0;
}

static int append_safe(struct folded *folded, const char *name)
{
	int result = 0;
	while (*name && !result) {
		size_t n = utf8_length(name);
		unsigned char c = (unsigned char)*name;
		if (!n)
			result = append(folded, "?", 1);
		else if (c == ';')
			result = append(folded, ":", 1);
		else if (c == ' ' || (c == 0xc2 && (unsigned char)name[1] == 0xa0)) /* U+00A0 is a blank to some */
			result = append(folded, "_", 1);
		else if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)name[1] < 0xa0))
			result = append(folded, "?", 1);
		else
			result = append(folded, name, n);
		bool list = c == ',' && name[1] == ' ';
		name += (n ? n : 1) + list;
	}
	return result;
}

int folded_name(struct folded *folded, const struct frame_view *view)
{
	char label[FRAME_LABEL_BYTES];
	const char *name = frame_label(view, label);
	if (view->function[0] || name != label || folded->offsets)
		return append_safe(folded, name);
	const char *module = view->module[0] ? frame_basename(view->module) : "unknown";
	if (module[0] == '[') /* [vdso] */
		return append_safe(folded, module);
	if (append(folded, "[", 1) < 0 || append_safe(folded, module) < 0)
		return -1;
	return append(folded, "]", 1);
}

/* Append the name of a view that stacks owns: made safe once. */
static int append_kept(struct folded *folded, const struct frame_view *view)
{
	size_t start = folded->length, id = (size_t)(view - folded->stacks->views);
	if (!folded->names && !(folded->names = calloc(folded->stacks->n_views, sizeof(*folded->names))))
		return -1;
	if (folded->names[id])
		return append(folded, folded->names[id], strlen(folded->names[id]));
	if (folded_name(folded, view) < 0)
		return -1;
	folded->names[id] = strndup(folded->line + start, folded->length - start);
	return folded->names[id] ? 0 : -1;
}

static int append_frame(struct folded *folded, const struct frame_view *view)
{
	return folded->stacks ? append_kept(folded, view) : folded_name(folded, view);
}

int folded_line(struct folded *folded, const struct frame_view *const *frames, size_t n_frames, uint64_t value)
{
	folded->length = 0;
	if (!n_frames && append(folded, "[lost]", 6) < 0)
		return -1;
	for (size_t i = n_frames; i-- > 0;)
		if (append_frame(folded, frames[i]) < 0 || (i && append(folded, ";", 1) < 0))
			return -1;
	fwrite(folded->line, 1, folded->length, folded->out);
	fprintf(folded->out, " %" PRIu64 "\n", value);
	return 0;
}

void folded_release(struct folded *folded)
{
	for (size_t i = 0; folded->names && i < folded->stacks->n_views; i++)
		free(folded->names[i]);
	free(folded->names);
	free(folded->line);
	folded->names = NULL;
	folded->line = NULL;
}
