/* Text for people: see term.h. */
#include "render/term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLAIN_WIDTH 80
#define NEVER 100000u

void term_init(struct term *term, FILE *out)
{
	setlocale(LC_CTYPE, "");
	*term = (struct term){.out = out, .width = PLAIN_WIDTH};
	term->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	struct winsize size;
	term->terminal = isatty(fileno(out)) && !ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col;
	if (term->terminal)
		term->width = size.ws_col < 40 ? 40 : size.ws_col > 200 ? 200 : size.ws_col;
}

/* C0, DEL and the C1 controls (0xc2 0x80..0x9f in UTF-8) could talk to the terminal. */
static bool is_control(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

static unsigned columns_of(const char *text)
{
	unsigned columns = 0;
	for (size_t n; *text; text += n ? n : 1, columns++)
		n = utf8_length(text);
	return columns;
}

unsigned term_text(const struct term *term, const char *text, unsigned max_columns)
{
	bool cut = columns_of(text) > max_columns;
	unsigned columns = 0, keep = cut ? max_columns > 3 ? max_columns - 3 : 0 : max_columns;
	while (*text && columns < keep) {
		size_t n = utf8_length(text);
		if (!n || is_control(text) || (n > 1 && !term->utf8))
			fputc('?', term->out);
		else
			fwrite(text, 1, n, term->out);
		text += n ? n : 1;
		columns++;
	}
	for (; cut && columns < max_columns; columns++)
		fputc('.', term->out);
	return columns;
}

static void term_frame(const struct term *term, const struct frame_view *view, unsigned indent)
{
	char label[FRAME_LABEL_BYTES], place[32] = "";
	const char *file = frame_basename(view->file), *module = frame_basename(view->module);
	if (view->line)
		snprintf(place, sizeof(place), ":%u", view->line);
	size_t tail = (*file ? 4 + strlen(file) + strlen(place) : 0) + (*module ? 3 + strlen(module) : 0);
	unsigned room = NEVER;
	if (term->terminal)
		room = term->width > indent + tail + 16 ? term->width - indent - (unsigned)tail : 16;
	fprintf(term->out, "%*s", (int)indent, "");
	term_text(term, frame_label(view, label), room);
	if (*file) {
		fputs(" at ", term->out);
		term_text(term, file, NEVER);
		fputs(place, term->out);
	}
	if (*module && view->function[0]) {
		fputs(" [", term->out);
		term_text(term, module, NEVER);
		fputc(']', term->out);
	}
	fputc('\n', term->out);
}

void term_stack(const struct term *term, const struct frame_view *const *frames, size_t n_frames, unsigned indent,
    size_t max_frames)
{
	if (!n_frames)
		fprintf(term->out, "%*s(no stack: there was no memory left to keep it)\n", (int)indent, "");
	/* A single frame is shown rather than counted. */
	size_t shown = max_frames && n_frames > max_frames + 1 ? max_frames : n_frames;
	for (size_t i = 0; i < shown; i++)
		term_frame(term, frames[i], indent);
	if (shown < n_frames)
		fprintf(term->out, "%*s... %zu more frames\n", (int)indent, "", n_frames - shown);
}
