/* Requests to answers, one line at a time. Every field is hostile until parsed. */
#include "symbols/service.h"

#include "base/array.h"
#include "tidemark/ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELDS 8
#define MAX_BUILD_ID_BYTES 64

struct service_module {
	struct symbols_module *module;
	bool quality_told;
};

void service_init(struct service *service, struct symbols *symbols)
{
	memset(service, 0, sizeof(*service));
	service->symbols = symbols;
	keymap_init(&service->modules_by_id);
}

void service_release(struct service *service)
{
	keymap_release(&service->modules_by_id);
	free(service->modules);
	free(service->out);
}

static size_t fields_split(char *line, char *fields[static MAX_FIELDS])
{
	size_t n_fields = 0;

	do {
		fields[n_fields++] = line;
		line = strchr(line, '\t');
		if (line)
			*line++ = '\0';
	} while (line && n_fields < MAX_FIELDS);
	return n_fields;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool number_parse(const char *text, int base, uint64_t *value)
{
	char *end;

	if (hex_digit(text[0]) < 0)
		return false;
	errno = 0;
	*value = strtoull(text, &end, base);
	return !errno && !*end;
}

/* In place. returns: false when the escapes are broken or hide a NUL */
static bool text_unescape(char *text)
{
	char *to = text;

	while (*text) {
		int high, low;

		if (*text != '\\') {
			*to++ = *text++;
			continue;
		}
		switch (text[1]) {
		case 't':
			*to++ = '\t';
			text += 2;
			break;
		case 'n':
			*to++ = '\n';
			text += 2;
			break;
		case '\\':
			*to++ = '\\';
			text += 2;
			break;
		case 'x':
			high = hex_digit(text[2]);
			low = high < 0 ? -1 : hex_digit(text[3]);
			if (low < 0 || high * 16 + low == 0)
				return false;
			*to++ = (char)(high * 16 + low);
			text += 4;
			break;
		default:
			return false;
		}
	}
	*to = '\0';
	return true;
}

static int out_add_word(struct service *service, const char *word)
{
	size_t length = strlen(word);

	if (ARRAY_RESERVE(service->out, service->out_capacity, service->out_bytes + length))
		return -1;
	memcpy(service->out + service->out_bytes, word, length);
	service->out_bytes += length;
	return 0;
}

/* A field of its own, and what follows it. By hand: printf took a tenth of the time of all answers. */
static int out_add_number(struct service *service, uint64_t value, const char *end)
{
	char text[24], *at = text + sizeof(text);

	*--at = '\0';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	*--at = '\t';
	return out_add_word(service, at) || out_add_word(service, end) ? -1 : 0;
}

static int out_add_text(struct service *service, const char *text)
{
	char *to;

	if (ARRAY_RESERVE(service->out, service->out_capacity, service->out_bytes + strlen(text) * 4 + 1))
		return -1;
	to = service->out + service->out_bytes;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\t' || c == '\n' || c == '\\') {
			*to++ = '\\';
			*to++ = c == '\t' ? 't' : c == '\n' ? 'n' : '\\';
		} else if (c < 0x20 || c == 0x7f) {
			to += sprintf(to, "\\x%02x", c);
		} else {
			*to++ = (char)c;
		}
	}
	service->out_bytes = (size_t)(to - service->out);
	return 0;
}

static int request_module(struct service *service, char **fields, size_t n_fields)
{
	uint8_t build_id[MAX_BUILD_ID_BYTES];
	size_t n_bytes = 0;
	uint64_t id;

	if (n_fields < 5 || !number_parse(fields[1], 10, &id) || !text_unescape(fields[3]) || !text_unescape(fields[4]))
		return 0;
	for (const char *hex = strcmp(fields[2], "-") ? fields[2] : ""; *hex; hex += 2) {
		int high = hex_digit(hex[0]), low = high < 0 ? -1 : hex_digit(hex[1]);

		if (low < 0 || n_bytes == sizeof(build_id))
			return 0;
		build_id[n_bytes++] = (uint8_t)(high * 16 + low);
	}
	if (ARRAY_RESERVE(service->modules, service->modules_capacity, service->n_modules + 1))
		return -1;
	service->modules[service->n_modules].quality_told = false;
	service->modules[service->n_modules].module =
	    symbols_module(service->symbols, fields[3][0] ? fields[3] : NULL, fields[4], build_id, n_bytes);
	if (!service->modules[service->n_modules].module)
		return -1;
	return keymap_put(&service->modules_by_id, id, service->n_modules++);
}

static int request_perf_map(struct service *service, char **fields, size_t n_fields)
{
	if (n_fields < 3 || !text_unescape(fields[2]))
		return 0;
	service->perf_map = symbols_perf_map(service->symbols, fields[2]);
	return service->perf_map ? 0 : -1;
}

/* returns: the module to ask, NULL when there is none; says its quality once */
static struct symbols_module *frame_module(struct service *service, uint64_t id)
{
	struct service_module *module;
	uint64_t index;

	if (!id)
		return service->perf_map;
	if (!keymap_get(&service->modules_by_id, id, &index))
		return NULL;
	module = &service->modules[index];
	if (!module->quality_told) {
		module->quality_told = true;
		if (out_add_word(service, "quality") || out_add_number(service, id, "") ||
		    out_add_number(service, symbols_quality(module->module), "\n"))
			return NULL;
	}
	return module->module;
}

static int answer_add(struct service *service, const struct symbol_frame *frame)
{
	if (out_add_text(service, frame->function) || out_add_word(service, "\t") || out_add_text(service, frame->file))
		return -1;
	return out_add_number(service, frame->line, "\n");
}

static int request_frame(struct service *service, char **fields, size_t n_fields)
{
	const uint32_t no_code = TIDEMARK_NODE_CUT | TIDEMARK_NODE_BROKEN | TIDEMARK_NODE_EARLY;
	const struct symbol_frame *frames = NULL;
	uint64_t id, module_id, offset, flags;
	struct symbols_module *module;
	size_t n_frames = 0;

	if (n_fields < 2 || !number_parse(fields[1], 10, &id))
		return 0;
	if (n_fields >= 5 && number_parse(fields[2], 10, &module_id) && number_parse(fields[3], 16, &offset) &&
	    number_parse(fields[4], 10, &flags)) {
		module = flags & no_code ? NULL : frame_module(service, module_id);
		/* A return address may stand behind the function's end: the call is one byte before it. */
		if (!(flags & TIDEMARK_NODE_EXACT) && offset)
			offset--;
		if (module)
			n_frames = symbols_lookup(module, offset, &frames);
	}
	if (out_add_word(service, "frame") || out_add_number(service, id, "") ||
	    out_add_number(service, n_frames, "\n"))
		return -1;
	for (size_t i = 0; i < n_frames; i++)
		if (answer_add(service, &frames[i]))
			return -1;
	return 0;
}

static int request_serve(struct service *service, char *line)
{
	char *fields[MAX_FIELDS];
	size_t n_fields = fields_split(line, fields);

	if (!strcmp(fields[0], "frame"))
		return request_frame(service, fields, n_fields);
	if (!strcmp(fields[0], "module"))
		return request_module(service, fields, n_fields);
	if (!strcmp(fields[0], "perfmap"))
		return request_perf_map(service, fields, n_fields);
	return 0;
}

int service_request(struct service *service, char *line)
{
	int result = request_serve(service, line);

	service->out_whole = service->out_bytes;
	return result;
}
