/* SPDX-License-Identifier: MIT */
/* Whatever the bytes, a snippet is printable, short, and shows when it was cut. */
#include "base/snippet.h"

#include <string.h>

#include "unit.h"

TEST(hex_shows_sixteen_bytes_and_that_there_are_more)
{
	static const unsigned char bytes[17] = { 0x41, 0x00, 0xff };
	assert_string_equal(snippet_hex(bytes, 0).text, "");
	assert_string_equal(snippet_hex(bytes, 1).text, "41");
	assert_string_equal(snippet_hex(bytes, 3).text, "41 00 ff");
	assert_string_equal(snippet_hex(bytes, 16).text,
			    "41 00 ff 00 00 00 00 00 00 00 00 00 00 00 00 00");
	assert_string_equal(snippet_hex(bytes, 17).text,
			    "41 00 ff 00 00 00 00 00 00 00 00 00 00 00 00 00 ...");
}

TEST(quoted_bytes_are_escaped)
{
	assert_string_equal(snippet_quoted("", 0).text, "\"\"");
	assert_string_equal(snippet_quoted("hello\r\n", 7).text, "\"hello^M^J\"");
	assert_string_equal(snippet_quoted("\x1b[2J\xc3\xa4", 6).text, "\"^[[2J\\xc3\\xa4\"");
}

TEST(quoted_bytes_are_cut_and_have_room_however_they_grow)
{
	unsigned char bytes[SNIPPET_TEXT + 1];
	memset(bytes, 0xff, sizeof(bytes));
	struct snippet excerpt = snippet_quoted(bytes, sizeof(bytes));
	assert_int_equal(strlen(excerpt.text), 4 * SNIPPET_TEXT + strlen("\"...\""));
	excerpt = snippet_quoted(bytes, SNIPPET_TEXT);
	assert_int_equal(strlen(excerpt.text), 4 * SNIPPET_TEXT + strlen("\"\""));
}

TEST(text_ends_at_the_first_byte_that_is_none)
{
	assert_int_equal(snippet_text_length("", 0), 0);
	assert_int_equal(snippet_text_length("a b\t~\r\n", 7), 7);
	for (unsigned int byte = 0; byte < 256; byte++) {
		unsigned char bytes[2] = { 'a', (unsigned char)byte };
		bool text = (byte >= 0x20 && byte <= 0x7e) || byte == 9 || byte == 10 || byte == 13;
		assert_int_equal(snippet_text_length(bytes, 2), text ? 2 : 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_shows_sixteen_bytes_and_that_there_are_more),
		cmocka_unit_test(quoted_bytes_are_escaped),
		cmocka_unit_test(quoted_bytes_are_cut_and_have_room_however_they_grow),
		cmocka_unit_test(text_ends_at_the_first_byte_that_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
