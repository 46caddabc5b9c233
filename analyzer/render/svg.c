/* Texts in SVG: see svg.h. */
#include "render/svg.h"

#include "render/term.h"
#include "render/xml.h"

void svg_text(FILE *out, const char *text, size_t max_letters)
{
	for (; *text && max_letters; max_letters--)
		text += xml_letter(out, text, "\xef\xbf\xbd");
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
