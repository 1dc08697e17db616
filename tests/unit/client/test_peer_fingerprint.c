/* SPDX-License-Identifier: MIT */
/* Endpoints that are no echo servers, and the description of each. */
#include "client/peer_fingerprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/payload.h"
#include "unit.h"

static struct peer_fingerprint judge(const void *sent, size_t n_sent, const void *received,
				     size_t n_received, bool ended)
{
	struct peer_reply reply = {
		.sent = sent,
		.n_sent = n_sent,
		.received = received,
		.n_received = n_received,
		.ended = ended,
	};
	return peer_fingerprint_identify(&reply);
}

static struct peer_fingerprint judge_text(const char *sent, const char *received)
{
	return judge(sent, strlen(sent), received, strlen(received), false);
}

static void assert_is(struct peer_fingerprint endpoint, enum peer_kind kind, const char *sentence)
{
	assert_string_equal(endpoint.text, sentence);
	assert_int_equal(endpoint.kind, kind);
}

TEST(an_echo_is_an_echo_whatever_is_in_it)
{
	static const char *const texts[] = { "x", "\n", "hello\n", "HTTP/1.1 400 Bad\r\n",
					     "\x15\x03\x01\x01\x02\x02\x28" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_is(judge_text(texts[i], texts[i]), PEER_ECHO,
			  "an echo: every byte came back");
	unsigned char bytes[300];
	struct payload payload = payload_of(1, 0);
	payload_fill(&payload, 0, bytes, sizeof(bytes));
	assert_int_equal(judge(bytes, 300, bytes, 300, false).kind, PEER_ECHO);
}

TEST(too_little_is_counted)
{
	assert_is(judge_text("hello world", "hello"), PEER_SHORT, "5 of 11 bytes came back");
	assert_is(judge("hello\nworld", 11, "hello\n", 6, true), PEER_SHORT,
		  "it ended early: 6 of 11 bytes came back");
}

TEST(silence_may_be_a_wait_for_a_line)
{
	assert_is(judge_text("hello\n", ""), PEER_SILENT, "not an echo server: nothing came back");
	assert_is(
		judge_text("hello", ""), PEER_SILENT,
		"not an echo server: nothing came back (it may be waiting for the end of a line)");
	assert_is(judge("hello", 5, "", 0, true), PEER_SILENT,
		  "not an echo server: it closed without a reply");
	assert_int_equal(judge(NULL, 0, NULL, 0, false).kind, PEER_SILENT);
}

TEST(a_greeting_is_no_echo)
{
	assert_is(judge_text("", "220 mail.example.org ESMTP\r\n"), PEER_SPEAKS_FIRST,
		  "not an echo server: it sends first: \"220 mail.example.org ESMTP^M^J\"");
	assert_is(judge_text("", "SSH-2.0-OpenSSH_9.2\r\n"), PEER_SPEAKS_FIRST,
		  "not an echo server: it sends first: \"SSH-2.0-OpenSSH_9.2^M^J\"");
}

TEST(other_protocols_are_called_by_their_names)
{
	assert_is(judge_text("\x01\x02\x03\x04", "HTTP/1.1 400 Bad Request\r\nDate: x\r\n"),
		  PEER_HTTP,
		  "not an echo server but an HTTP server: it answers \"HTTP/1.1 400 Bad Request\"");
	assert_is(judge("hello", 5, "\x15\x03\x03\x00\x02\x02\x28", 7, true), PEER_TLS,
		  "not an echo server but a TLS server: it answers with alert 40");
}

TEST(a_prefix_is_shown)
{
	/* istio's tcp-echo */
	assert_is(judge_text("world\n", "hello world\n"), PEER_PREFIX,
		  "no plain echo: it adds \"hello \" before what it returns");
	assert_is(judge_text("one two\nthree\n", "hello one two\nhello three\n"), PEER_PREFIX,
		  "no plain echo: it adds \"hello \" before each line");
	assert_is(judge_text("a\n", "> a\n"), PEER_PREFIX,
		  "no plain echo: it adds \"> \" before what it returns");
	assert_is(judge_text("ping pong", "You said: ping pong"), PEER_PREFIX,
		  "no plain echo: it adds \"You said: \" before what it returns");
}

TEST(a_prefix_is_shown_before_binary_lines_too)
{
	unsigned char sent[2000], received[2100];
	struct payload payload = payload_of(1, 0);
	payload_fill(&payload, 0, sent, sizeof(sent));
	const unsigned char *newline = memchr(sent, '\n', sizeof(sent));
	assert_non_null(newline);
	size_t line = (size_t)(newline - sent) + 1;
	memcpy(received, "hello ", 6);
	memcpy(received + 6, sent, line);
	struct peer_fingerprint endpoint = judge(sent, sizeof(sent), received, 6 + line, false);
	assert_is(endpoint, PEER_PREFIX,
		  "no plain echo: it adds \"hello \" before what it returns");
}

TEST(few_bytes_within_another_answer_are_no_prefix)
{
	assert_int_equal(judge_text("hi\n", "this is no echo\n").kind, PEER_OTHER);
	assert_int_equal(judge_text("hi\n", "you say hi\n").kind, PEER_PREFIX);
}

TEST(a_suffix_is_shown)
{
	assert_is(judge_text("hello", "hello\n"), PEER_SUFFIX,
		  "no plain echo: it adds \"^J\" after what it returns");
	assert_is(judge_text("hello\n", "hello\nbye\r\n"), PEER_SUFFIX,
		  "no plain echo: it adds \"bye^M^J\" after what it returns");
}

TEST(changed_lines_are_diagnosed)
{
	assert_is(judge_text("one\ntwo\nthree", "one\ntwo\n"), PEER_LINES,
		  "no plain echo: it answers whole lines only "
		  "(5 bytes after the last newline did not come back)");
	assert_int_equal(judge_text("one\ntwo\nthree", "one\n").kind, PEER_SHORT);
}

TEST(changed_line_ends_are_diagnosed)
{
	assert_is(judge_text("hello\n", "hello\r\n"), PEER_LINE_ENDS,
		  "no plain echo: it changes line ends to \"^M^J\"");
	assert_is(judge_text("hello\r\nyou\r\n", "hello\nyou\n"), PEER_LINE_ENDS,
		  "no plain echo: it changes line ends to \"^J\"");
	assert_is(judge_text("hello\r\n", "hello"), PEER_LINE_ENDS,
		  "no plain echo: it removes \"^M^J\"");
	assert_is(judge_text("hello\n", "hello"), PEER_LINE_ENDS,
		  "no plain echo: it removes \"^J\"");
}

TEST(rules_are_diagnosed)
{
	assert_is(judge_text("Hello, you\n", "HELLO, YOU\n"), PEER_TRANSFORMED,
		  "no plain echo: it changes letters to upper case");
	assert_is(judge_text("Hello, You\n", "hello, you\n"), PEER_TRANSFORMED,
		  "no plain echo: it changes upper case to lower case");
	assert_is(judge_text("Hello, you\n", "hELLO, YOU\n"), PEER_TRANSFORMED,
		  "no plain echo: it exchanges upper and lower case");
	assert_is(judge_text("Hello, Zoe\n", "Uryyb, Mbr\n"), PEER_TRANSFORMED,
		  "no plain echo: it rotates letters by 13");
	assert_is(judge_text("h\xe4llo", "hdllo"), PEER_TRANSFORMED,
		  "no plain echo: it clears the highest bit of each byte");
	assert_is(judge_text("hello", "\x97\x9a\x93\x93\x90"), PEER_TRANSFORMED,
		  "no plain echo: it inverts every bit");
}

TEST(a_reversal_is_diagnosed_wherever_the_line_end_is)
{
	static const char *const replies[] = { "olleh\n", "\nolleh", "\r\nolleh" };
	for (size_t i = 0; i < ARRAY_LEN(replies); i++)
		assert_is(judge_text("hello\n", replies[i]), PEER_REVERSED,
			  "no plain echo: it returns the last byte first");
}

/* With a wrong byte behind the line, it is a faulty echo. */
TEST(a_palindrome_that_came_back_is_not_reversed)
{
	assert_int_not_equal(judge_text("abba\nrest", "abba\nrxst").kind, PEER_REVERSED);
	assert_int_not_equal(judge_text("anna\r\n12", "anna\r\n1x").kind, PEER_REVERSED);
}

TEST(any_other_answer_is_shown_escaped_and_cut)
{
	assert_is(judge_text("hello\n", "-ERR unknown command\r\n"), PEER_OTHER,
		  "not an echo server: it answers \"-ERR unknown command^M^J\"");
	unsigned char bytes[1000];
	memset(bytes, 0xff, sizeof(bytes));
	struct peer_fingerprint endpoint = judge("hello", 5, bytes, sizeof(bytes), false);
	assert_int_equal(endpoint.kind, PEER_OTHER);
	assert_non_null(strstr(endpoint.text, "\\xff...\""));
}

/* Returns a copy in memory of exactly that size. */
static char *copy_of(const char *text, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);
	assert_non_null(copy);
	memcpy(copy, text, n);
	return copy;
}

/* The sanitizers check that no byte beyond the given ones is read. */
static bool is_named(const char *sent, const char *received)
{
	struct peer_reply reply = {
		.sent = (const unsigned char *)sent,
		.n_sent = strlen(sent),
		.received = (const unsigned char *)received,
		.n_received = strlen(received),
	};
	return peer_fingerprint_is_other_server(&reply, peer_fingerprint_identify(&reply).kind);
}

TEST(a_mistake_of_an_echo_names_no_other_server)
{
	static const char lines[] = "hello world\nhello world\n";
	assert_false(is_named(lines, lines));
	assert_false(is_named(lines, "hello"));                      /* cut */
	assert_false(is_named(lines, ""));                           /* silent */
	assert_false(is_named(lines, "hExxo world\nhello world\n")); /* changed */
	assert_false(is_named(lines, "xello world\nhello world\n"));
	assert_false(is_named(lines, "ello world\nhello world\n"));   /* lost */
	assert_false(is_named(lines, "hhello world\nhello world\n")); /* repeated */
	assert_false(is_named(lines, "hello hello world\nhello world\n"));
	assert_false(is_named(lines, "hello world\nhello world\n\n"));
	assert_false(is_named("hello", "\x01\x02\x03\x04\x05")); /* no text */
}

TEST(another_server_is_named)
{
	assert_true(is_named("hello\n", "HTTP/1.0 400 Bad Request\r\n"));
	assert_true(is_named("hello\n", "500 unrecognized command\r\n"));
	assert_true(is_named("hello\n", "SSH-2.0-OpenSSH\r\n"));
	assert_true(is_named("hello\n", "you said: hello\n"));
	assert_true(is_named("hello\n", "> hello\n"));
	assert_true(is_named("hello\n", "hello\nbye\n"));
	assert_true(is_named("hello\n", "HELLO\n"));
	assert_true(is_named("hello\n", "olleh\n"));
	assert_true(is_named("", "220 ready\r\n"));
}

TEST(every_cut_of_a_reply_has_a_sentence)
{
	static const char *const texts[] = { "hello\r\n", "HTTP/1.1", "\x15\x03\x03", "a\n",
					     "olleh\n",   "HELLO\n",  "hello hello\n" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
			for (size_t n = 0; n <= strlen(texts[i]); n++) {
				for (size_t m = 0; m <= strlen(texts[j]); m++) {
					char *sent = copy_of(texts[i], n);
					char *received = copy_of(texts[j], m);
					assert_true(judge(sent, n, received, m, m % 2).text[0]);
					free(sent);
					free(received);
				}
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_echo_is_an_echo_whatever_is_in_it),
		cmocka_unit_test(too_little_is_counted),
		cmocka_unit_test(silence_may_be_a_wait_for_a_line),
		cmocka_unit_test(a_greeting_is_no_echo),
		cmocka_unit_test(other_protocols_are_called_by_their_names),
		cmocka_unit_test(a_prefix_is_shown),
		cmocka_unit_test(a_prefix_is_shown_before_binary_lines_too),
		cmocka_unit_test(few_bytes_within_another_answer_are_no_prefix),
		cmocka_unit_test(a_suffix_is_shown),
		cmocka_unit_test(changed_lines_are_diagnosed),
		cmocka_unit_test(changed_line_ends_are_diagnosed),
		cmocka_unit_test(rules_are_diagnosed),
		cmocka_unit_test(a_reversal_is_diagnosed_wherever_the_line_end_is),
		cmocka_unit_test(a_palindrome_that_came_back_is_not_reversed),
		cmocka_unit_test(any_other_answer_is_shown_escaped_and_cut),
		cmocka_unit_test(a_mistake_of_an_echo_names_no_other_server),
		cmocka_unit_test(another_server_is_named),
		cmocka_unit_test(every_cut_of_a_reply_has_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
