/* SPDX-License-Identifier: MIT */
/* Any input text is shown as text. */
#include "report/html/markup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static char *written;
static size_t length;

static const char *text_of(const char *text)
{
	free(written);
	FILE *out = open_memstream(&written, &length);
	assert_non_null(out);
	markup_text(out, text);
	assert_int_equal(fclose(out), 0);
	return written;
}

TEST(plain_text_is_itself)
{
	assert_string_equal(text_of(""), "");
	assert_string_equal(text_of("bench -c 64 10.0.0.7:9877"), "bench -c 64 10.0.0.7:9877");
	assert_string_equal(text_of("größe 大 µs"), "größe 大 µs");
}

TEST(what_html_would_obey_becomes_a_reference)
{
	assert_string_equal(text_of("<script>alert('1')</script>"),
			    "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;");
	assert_string_equal(text_of("\" onload=\"x"), "&quot; onload=&quot;x");
	assert_string_equal(text_of("&lt;"), "&amp;lt;");
}

TEST(controls_and_what_hides_text_are_shown)
{
	assert_string_equal(text_of("a\nb\x1b[2Jc\x7f"), "a^Jb^[[2Jc^?");
	assert_string_equal(text_of("\u202egnp.exe"), "\\xe2\\x80\\xaegnp.exe");
	assert_string_equal(text_of("\xc2\x85"), "\\xc2\\x85");
}

TEST(what_is_no_utf_8_is_shown)
{
	assert_string_equal(text_of("\xff<\xc3"), "\\xff&lt;\\xc3");
	assert_string_equal(text_of("\xc0\xbcscript\xc0\xbe"), "\\xc0\\xbcscript\\xc0\\xbe");
}

TEST(characters_may_lie_across_the_pieces)
{
	for (size_t before = 250; before < 260; before++) {
		char text[300] = { 0 }, expected[300] = { 0 };
		memset(text, 'x', before);
		memset(expected, 'x', before);
		strcat(text, "大<");
		strcat(expected, "大&lt;");
		assert_string_equal(text_of(text), expected);
	}
}

TEST(a_long_text_is_cut)
{
	char *text = calloc(1, 3 * MARKUP_TEXT_MAX);
	assert_non_null(text);
	memset(text, '<', 3 * MARKUP_TEXT_MAX - 1);
	assert_int_equal(strlen(text_of(text)), 4 * MARKUP_TEXT_MAX + strlen("…"));
	assert_string_equal(written + 4 * MARKUP_TEXT_MAX, "…");
	text[MARKUP_TEXT_MAX] = '\0';
	assert_int_equal(strlen(text_of(text)), 4 * MARKUP_TEXT_MAX);
	free(text);
}

static int free_written(void **state)
{
	(void)state;
	free(written);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_is_itself),
		cmocka_unit_test(what_html_would_obey_becomes_a_reference),
		cmocka_unit_test(controls_and_what_hides_text_are_shown),
		cmocka_unit_test(what_is_no_utf_8_is_shown),
		cmocka_unit_test(characters_may_lie_across_the_pieces),
		cmocka_unit_test(a_long_text_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, free_written);
}
