/* Text in XML: see xml.h. */
#include "render/xml.h"

#include <stdbool.h>
#include <string.h>

#include "render/term.h"

static bool is_forbidden(const char *text)
{
	unsigned char c = (unsigned char)*text;
	return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || !strncmp(text, "\xef\xbf\xbe", 3) ||
	       !strncmp(text, "\xef\xbf\xbf", 3);
}

size_t xml_letter(FILE *out, const char *text, const char *instead)
{
	size_t n = utf8_length(text);
	if (!n || is_forbidden(text))
		fputs(instead, out);
	else if (*text == '<')
		fputs("&lt;", out);
	else if (*text == '>')
		fputs("&gt;", out);
	else if (*text == '&')
		fputs("&amp;", out);
	else if (*text == '"')
		fputs("&quot;", out);
	else
		fwrite(text, 1, n, out);
	return n ? n : 1;
}
