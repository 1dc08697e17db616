/* SPDX-License-Identifier: MIT */
/* Words are quoted for a shell. tests/client checks how bash reads such a line. */
#include "base/shell_quote.h"

#include <stdlib.h>

#include "unit.h"

static void is_quoted(const char *word, const char *expected)
{
	char *words[] = { (char *)(uintptr_t)word };
	char *line;
	assert_int_equal(shell_quote_words(words, 1, &line), 0);
	assert_string_equal(line, expected);
	free(line);
}

TEST(harmless_words_stay_as_they_are)
{
	is_quoted("bench", "bench");
	is_quoted("--rate", "--rate");
	is_quoted("[::1]:9877", "'[::1]:9877'"); /* a pattern for a shell */
	is_quoted("unix:/run/echo.sock", "unix:/run/echo.sock");
	is_quoted("fe80::1%eth0", "fe80::1%eth0");
	is_quoted("--seed=7", "'--seed=7'"); /* zsh expands text after a = */
}

TEST(what_a_shell_would_make_something_of_is_quoted)
{
	is_quoted("", "''");
	is_quoted("two words", "'two words'");
	is_quoted("$HOME", "'$HOME'");
	is_quoted("~", "'~'");
	is_quoted("#", "'#'");
	is_quoted("a;b", "'a;b'");
	is_quoted("it's", "'it'\\''s'");
	is_quoted("''''", "''\\'''\\'''\\'''\\'''");
	is_quoted("back\\slash", "'back\\slash'");
}

TEST(visible_characters_stay_and_others_are_escaped)
{
	is_quoted("gr\xc3\xb6\xc3\x9f"
		  "e",
		  "'gr\xc3\xb6\xc3\x9f"
		  "e'");
	is_quoted("\xff", "$'\\xff'");
	is_quoted("a\nb", "$'a\\x0ab'");
	is_quoted("\x1b[31m", "$'\\x1b[31m'");
	/* it would reverse the text direction of the line */
	is_quoted("\xe2\x80\xae", "$'\\xe2\\x80\\xae'");
	is_quoted("\xc3", "$'\\xc3'"); /* an incomplete character */
	is_quoted("it's \\ \xff", "$'it\\'s \\\\ \\xff'");
	is_quoted("\xff\xff\xff", "$'\\xff\\xff\\xff'"); /* every byte grows */
}

TEST(words_are_apart_by_a_space)
{
	char one[] = "tcpecho", two[] = "a b", three[] = "c";
	char *words[] = { one, two, three };
	char *line;
	assert_int_equal(shell_quote_words(words, 3, &line), 0);
	assert_string_equal(line, "tcpecho 'a b' c");
	free(line);
	assert_int_equal(shell_quote_words(words, 0, &line), 0);
	assert_string_equal(line, "");
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(harmless_words_stay_as_they_are),
		cmocka_unit_test(what_a_shell_would_make_something_of_is_quoted),
		cmocka_unit_test(visible_characters_stay_and_others_are_escaped),
		cmocka_unit_test(words_are_apart_by_a_space),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
