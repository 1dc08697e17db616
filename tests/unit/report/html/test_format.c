/* SPDX-License-Identifier: MIT */
/* A number is shown with its known digits, in a suitable unit; any text from outside as text. */
#include "report/html/format.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define SECOND UINT64_C(1000000000)

TEST(latency_have_four_digits)
{
	assert_string_equal(format_time(0).text, "0 ns");
	assert_string_equal(format_time(1).text, "1 ns");
	assert_string_equal(format_time(999).text, "999 ns");
	assert_string_equal(format_time(1000).text, "1.000 µs");
	assert_string_equal(format_time(83211).text, "83.21 µs");
	assert_string_equal(format_time(341049).text, "341.0 µs");
	assert_string_equal(format_time(1234567).text, "1.235 ms");
	assert_string_equal(format_time(75 * SECOND).text, "75.00 s");
	assert_string_equal(format_time(3600 * SECOND).text, "3,600 s");
}

TEST(what_is_rounded_up_to_the_next_unit_is_in_it)
{
	assert_string_equal(format_time(9999).text, "9.999 µs");
	assert_string_equal(format_time(99996).text, "100.0 µs");
	assert_string_equal(format_time(999949).text, "999.9 µs");
	assert_string_equal(format_time(999951).text, "1.000 ms");
	assert_string_equal(format_time(UINT64_MAX).text, "18,446,744,074 s");
}

TEST(round_times_are_short)
{
	assert_string_equal(format_round_time(1).text, "1 ns");
	assert_string_equal(format_round_time(500).text, "500 ns");
	assert_string_equal(format_round_time(2e4).text, "20 µs");
	assert_string_equal(format_round_time(1.5e6).text, "1.5 ms");
	assert_string_equal(format_round_time(5e12).text, "5000 s");
}

TEST(counts_are_whole_and_in_thousands)
{
	assert_string_equal(format_count(0).text, "0");
	assert_string_equal(format_count(999).text, "999");
	assert_string_equal(format_count(1000).text, "1,000");
	assert_string_equal(format_count(1234567).text, "1,234,567");
	assert_string_equal(format_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

TEST(round_counts_are_short)
{
	assert_string_equal(format_round_count(0.2).text, "0.2");
	assert_string_equal(format_round_count(500).text, "500");
	assert_string_equal(format_round_count(20000).text, "20k");
	assert_string_equal(format_round_count(1.5e6).text, "1.5M");
}

TEST(rates_are_counts_a_second)
{
	assert_string_equal(format_rate(0).text, "0.000/s");
	assert_string_equal(format_rate(12.345).text, "12.35/s");
	assert_string_equal(format_rate(999.94).text, "999.9/s");
	assert_string_equal(format_rate(20576.4).text, "20,576/s");
}

TEST(seconds_are_shown_to_the_millisecond)
{
	assert_string_equal(format_seconds(60).text, "60 s");
	assert_string_equal(format_seconds(0).text, "0 s");
	assert_string_equal(format_seconds(0.25).text, "0.25 s");
	assert_string_equal(format_seconds(1.0004).text, "1 s");
}

/* ---- texts from outside ---- */

static char *written;
static size_t length;

static const char *text_of(const char *text)
{
	free(written);
	FILE *out = open_memstream(&written, &length);
	assert_non_null(out);
	format_put_text(out, text);
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

TEST(characters_may_lie_across_two_blocks)
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
	char *text = calloc(1, 3 * FORMAT_TEXT_MAX);
	assert_non_null(text);
	memset(text, '<', 3 * FORMAT_TEXT_MAX - 1);
	assert_int_equal(strlen(text_of(text)), 4 * FORMAT_TEXT_MAX + strlen("…"));
	assert_string_equal(written + 4 * FORMAT_TEXT_MAX, "…");
	text[FORMAT_TEXT_MAX] = '\0';
	assert_int_equal(strlen(text_of(text)), 4 * FORMAT_TEXT_MAX);
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
		cmocka_unit_test(latency_have_four_digits),
		cmocka_unit_test(what_is_rounded_up_to_the_next_unit_is_in_it),
		cmocka_unit_test(round_times_are_short),
		cmocka_unit_test(counts_are_whole_and_in_thousands),
		cmocka_unit_test(round_counts_are_short),
		cmocka_unit_test(rates_are_counts_a_second),
		cmocka_unit_test(seconds_are_shown_to_the_millisecond),
		cmocka_unit_test(plain_text_is_itself),
		cmocka_unit_test(what_html_would_obey_becomes_a_reference),
		cmocka_unit_test(controls_and_what_hides_text_are_shown),
		cmocka_unit_test(what_is_no_utf_8_is_shown),
		cmocka_unit_test(characters_may_lie_across_two_blocks),
		cmocka_unit_test(a_long_text_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, free_written);
}
