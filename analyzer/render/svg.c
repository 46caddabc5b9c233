/* Texts in SVG: see svg.h. */
#include "render/svg.h"

#include <stdbool.h>
#include <string.h>

#include "render/term.h"

void svg_text(FILE *out, const char *text, size_t max_letters)
{
	for (; *text && max_letters; max_letters--) {
		size_t n = utf8_length(text);
		unsigned char c = (unsigned char)*text;
		bool forbidden = !n || c < 0x20 || c == 0x7f || (c == 0xef && !memcmp(text + 1, "\xbf\xbe", 2)) ||
		                 (c == 0xef && !memcmp(text + 1, "\xbf\xbf", 2));
		if (forbidden)
			fputs("\xef\xbf\xbd", out);
		else if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else
			fwrite(text, 1, n, out);
		text += n ? n : 1;
	}
	if (*text)
		fputs("\xe2\x80\xa6", out); /* an ellipsis */
}

size_t svg_letters(const char *text)
{
	size_t letters = 0;
	for (size_t n; *text; text += n ? n : 1, letters++)
		n = utf8_length(text);
	return letters;
}
