/* The verdict as annotations: GitHub's workflow commands, one line each. */
#include <string.h>

#include "base/utf8.h"
#include "render/gate_out.h"

/* A command's message or, with `property`, the value of one of its properties. */
static void put(FILE *file, const char *text, bool property)
{
	while (*text) {
		size_t length = utf8_length(text);
		unsigned char c = (unsigned char)*text;
		if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ',')))
			fprintf(file, "%%%02X", c);
		else if (!length || c < 0x20 || c == 0x7f) /* logs are read on terminals */
			fputc('?', file);
		else
			fwrite(text, 1, length, file);
		text += length ? length : 1;
	}
}

static const char *command(enum verdict verdict)
{
	return verdict >= VERDICT_INCONCLUSIVE ? "error" : verdict == VERDICT_WARN ? "warning" : NULL;
}

void gate_github(const struct gate_out *out, FILE *file)
{
	const struct gate *gate = out->gate;
	for (size_t i = 0; i < gate->n_checks; i++) {
		const struct gate_check *check = &gate->checks[i];
		const struct measure_frame *place = gate_place(out, check);
		const char *name = command(gate_counts_as(gate, check->verdict));
		if (!name && check->verdict != VERDICT_PASS)
			name = "notice"; /* inconclusive, and told to pass */
		if (!name)
			continue;
		fprintf(file, "::%s ", name);
		if (place) {
			fputs("file=", file);
			put(file, gate_path(out, place->file), true);
			fprintf(file, ",line=%u,", place->line);
		}
		fputs("title=", file);
		put(file, "Tidemark: ", true);
		put(file, check->name, true);
		fputs("::", file);
		put(file, check->reason, false);
		fputc('\n', file);
	}
}
