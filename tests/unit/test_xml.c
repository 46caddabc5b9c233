/* Text in XML: markup, and what XML 1.0 forbids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "render/svg.h"
#include "render/xml.h"

static void assert_xml(const char *text, const char *expected)
{
	char *got = NULL;
	size_t n;
	FILE *out = open_memstream(&got, &n);
	while (*text)
		text += xml_letter(out, text, "?");
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
}

static void letters_are_escaped_or_replaced(void **state)
{
	(void)state;
	assert_xml("vector<int> && \"x\"", "vector&lt;int&gt; &amp;&amp; &quot;x&quot;");
	assert_xml("a\tb\nc", "a\tb\nc");
	assert_xml("\x01\x1b[1m\x7f", "??[1m?");
	assert_xml("caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac");
	assert_xml("\xff\xc3", "??");
	assert_xml("\xef\xbf\xbe|\xef\xbf\xbf|\xef\xbf\xbd", "?|?|\xef\xbf\xbd");
	assert_xml("\xef", "?");
}

static void a_long_text_is_cut_by_letters(void **state)
{
	(void)state;
	char *got = NULL;
	size_t n;
	FILE *out = open_memstream(&got, &n);
	svg_text(out, "\xc3\xa9<\x01>", 3);
	fclose(out);
	assert_string_equal(got, "\xc3\xa9&lt;\xef\xbf\xbd\xe2\x80\xa6");
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(letters_are_escaped_or_replaced),
	    cmocka_unit_test(a_long_text_is_cut_by_letters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
