/* SPDX-License-Identifier: MIT */
/*
 * Nothing that a terminal would obey passes, and everything that people write does, wherever the
 * stream is cut. The output never exceeds its room.
 */
#include "base/escape.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

#define MOST_IN 64

/* The guard value behind the promised room, to check that it is not overwritten. */
#define GUARD 0x5a

struct shown {
	size_t size;
	char text[ESCAPE_ROOM(MOST_IN) + ESCAPE_ROOM(0) + 1];
};

/* Filters n bytes in one call, with a guard behind the room that the contract requires. */
static void feed(struct escape *escape, const void *bytes, size_t n, struct shown *shown)
{
	char out[ESCAPE_ROOM(MOST_IN) + 1];
	assert_true(n <= MOST_IN);
	out[ESCAPE_ROOM(n)] = GUARD;
	size_t size = escape_bytes(escape, bytes, n, out);
	assert_true(size <= ESCAPE_ROOM(n));
	assert_int_equal(out[ESCAPE_ROOM(n)], GUARD);
	memcpy(shown->text + shown->size, out, size);
	shown->size += size;
}

static void end(struct escape *escape, struct shown *shown)
{
	char out[ESCAPE_ROOM(0) + 1];
	out[ESCAPE_ROOM(0)] = GUARD;
	size_t size = escape_end(escape, out);
	assert_true(size <= ESCAPE_ROOM(0));
	assert_int_equal(out[ESCAPE_ROOM(0)], GUARD);
	memcpy(shown->text + shown->size, out, size);
	shown->size += size;
	shown->text[shown->size] = '\0';
}

/* A whole stream, cut in two at `cut`. */
static struct shown filter(struct escape escape, const char *bytes, size_t n, size_t cut)
{
	struct shown shown = { 0 };
	feed(&escape, bytes, cut, &shown);
	feed(&escape, bytes + cut, n - cut, &shown);
	end(&escape, &shown);
	return shown;
}

static const struct escape for_screen = { .utf8 = true, .keep_layout = true };
static const struct escape for_log = { .utf8 = true };
static const struct escape for_ascii = { .keep_layout = true };

/* ---- single bytes ---- */

static void expect_of_byte(unsigned char byte, bool keep_layout, char out[8])
{
	if (byte >= 0x80)
		snprintf(out, 8, "\\x%02x", byte);
	else if (byte == 0x7f)
		snprintf(out, 8, "^?");
	else if (byte < 0x20 && !(keep_layout && (byte == '\n' || byte == '\t')))
		snprintf(out, 8, "^%c", '@' + byte);
	else
		snprintf(out, 8, "%c", byte);
}

TEST(every_single_byte_is_itself_or_shown)
{
	const struct escape kinds[] = { for_screen, for_log, for_ascii };
	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		for (int byte = 0; byte < 256; byte++) {
			char in = (char)byte, expected[8];
			expect_of_byte((unsigned char)byte, kinds[kind].keep_layout, expected);
			assert_string_equal(filter(kinds[kind], &in, 1, 0).text, expected);
		}
	}
}

TEST(layout_passes_to_a_screen_and_not_into_a_log)
{
	assert_string_equal(filter(for_screen, "a\tb\nc\r", 6, 0).text, "a\tb\nc^M");
	assert_string_equal(filter(for_log, "a\tb\nc\r", 6, 0).text, "a^Ib^Jc^M");
}

/* ---- sequences ---- */

struct row {
	const char *in;
	const char *shown; /* NULL: unchanged */
};

static const struct row rows[] = {
	/* ordinary text, at both ends of each length */
	{ "gr\xc3\xbcn", NULL },
	{ "\xc2\xa0", NULL },         /* U+00A0, the first behind C1 */
	{ "\xdf\xbf", NULL },         /* U+07FF */
	{ "\xe0\xa0\x80", NULL },     /* U+0800 */
	{ "\xe2\x82\xac", NULL },     /* the euro */
	{ "\xed\x9f\xbf", NULL },     /* U+D7FF, the last before the surrogates */
	{ "\xee\x80\x80", NULL },     /* U+E000, the first behind them */
	{ "\xef\xbf\xbd", NULL },     /* U+FFFD */
	{ "\xf0\x90\x80\x80", NULL }, /* U+10000 */
	{ "\xf0\x9f\x90\xa2", NULL }, /* a turtle */
	{ "\xf4\x8f\xbf\xbf", NULL }, /* U+10FFFF */

	/* overlong forms */
	{ "\xc0\x80", "\\xc0\\x80" },
	{ "\xc1\xbf", "\\xc1\\xbf" },
	{ "\xe0\x80\x9b", "\\xe0\\x80\\x9b" },
	{ "\xe0\x9f\xbf", "\\xe0\\x9f\\xbf" },
	{ "\xf0\x80\x80\x9b", "\\xf0\\x80\\x80\\x9b" },
	{ "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf" },

	/* surrogates, and beyond the last code point */
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
	{ "\xed\xbf\xbf", "\\xed\\xbf\\xbf" },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	{ "\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80" },
	{ "\xff\xfe", "\\xff\\xfe" },

	/* unfinished, interrupted, without a first byte */
	{ "\xe2\x82", "\\xe2\\x82" },
	{ "\xf0\x9f\x90", "\\xf0\\x9f\\x90" },
	{ "\xe2\x82Z", "\\xe2\\x82Z" },
	{ "\xe2\x82\x1b[", "\\xe2\\x82^[[" },
	{ "\xe2\x82\xc3\xbc", "\\xe2\\x82\xc3\xbc" },
	{ "\xe2\xe2\x82\xac", "\\xe2\xe2\x82\xac" },
	{ "\xf0\x9f\xff", "\\xf0\\x9f\\xff" },
	{ "\x80\xbf", "\\x80\\xbf" },
	{ "\xc3\xbc\xbc", "\xc3\xbc\\xbc" },

	/* C1: 0x9b is ESC [ */
	{ "\xc2\x80", "\\xc2\\x80" },
	{ "\xc2\x9b", "\\xc2\\x9b" },
	{ "\xc2\x9f", "\\xc2\\x9f" },

	/* characters that reorder or hide text */
	{ "\xd8\x9c", "\\xd8\\x9c" },                   /* Arabic letter mark */
	{ "\xe2\x80\x8b", "\\xe2\\x80\\x8b" },          /* zero width space */
	{ "\xe2\x80\x8f", "\\xe2\\x80\\x8f" },          /* right-to-left mark */
	{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },          /* line separator */
	{ "\xe2\x80\xa9", "\\xe2\\x80\\xa9" },          /* paragraph separator */
	{ "\xe2\x80\xae", "\\xe2\\x80\\xae" },          /* right-to-left override */
	{ "\xe2\x81\xa0", "\\xe2\\x81\\xa0" },          /* word joiner */
	{ "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },          /* left-to-right isolate */
	{ "\xe2\x81\xa9", "\\xe2\\x81\\xa9" },          /* pop isolate */
	{ "\xef\xbb\xbf", "\\xef\\xbb\\xbf" },          /* byte order mark */
	{ "\xef\xbf\xb9", "\\xef\\xbf\\xb9" },          /* annotation anchor */
	{ "\xf3\xa0\x81\xbf", "\\xf3\\xa0\\x81\\xbf" }, /* the last tag */

	/* neighbouring characters are text */
	{ "\xe2\x80\x8a", NULL },
	{ "\xe2\x80\x90", NULL },
	{ "\xe2\x80\xa7", NULL },
	{ "\xe2\x80\xaf", NULL },
	{ "\xe2\x81\x9f", NULL },
	{ "\xe2\x81\xb0", NULL },
	{ "\xf3\xa0\x82\x80", NULL },

	/* known attacks on terminals */
	{ "\033]0;title\007", "^[]0;title^G" },
	{ "\033[2J\033[H", "^[[2J^[[H" },
	{ "\033GQ", "^[GQ" },
	{ "back\b\b\b\bover", "back^H^H^H^Hover" },
};

TEST(every_sequence_comes_out_the_same_wherever_it_is_cut)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *expected = rows[i].shown != NULL ? rows[i].shown : rows[i].in;
		size_t n = strlen(rows[i].in);
		for (size_t cut = 0; cut <= n; cut++)
			assert_string_equal(filter(for_log, rows[i].in, n, cut).text, expected);
	}
}

TEST(every_sequence_comes_out_the_same_byte_by_byte)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *expected = rows[i].shown != NULL ? rows[i].shown : rows[i].in;
		struct escape escape = for_log;
		struct shown shown = { 0 };
		for (const char *at = rows[i].in; *at != '\0'; at++)
			feed(&escape, at, 1, &shown);
		end(&escape, &shown);
		assert_string_equal(shown.text, expected);
	}
}

TEST(a_terminal_without_utf8_gets_ascii_only)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct shown shown = filter(for_ascii, rows[i].in, strlen(rows[i].in), 0);
		for (size_t j = 0; j < shown.size; j++)
			assert_true((unsigned char)shown.text[j] < 0x7f);
	}
}

/* ---- every pair and triple of bytes that matter ---- */

/*
 * Returns whether it is valid UTF-8 without controls. An independent check, by the table of RFC
 * 3629 section 4.
 */
static bool is_clean(const unsigned char *text, size_t n)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high;
		size_t length;
	} forms[] = {
		{ 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	for (size_t at = 0; at < n;) {
		size_t length = 0;
		for (size_t i = 0; i < ARRAY_LEN(forms) && length == 0; i++) {
			if (text[at] < forms[i].first_low || text[at] > forms[i].first_high)
				continue;
			length = forms[i].length;
			if (at + length > n)
				return false;
			if (length > 1 && (text[at + 1] < forms[i].second_low ||
					   text[at + 1] > forms[i].second_high))
				return false;
			for (size_t j = 2; j < length; j++) {
				if ((text[at + j] & 0xc0) != 0x80)
					return false;
			}
		}
		if (length == 0)
			return false;
		if (length == 2 && text[at] == 0xc2 && text[at + 1] < 0xa0)
			return false; /* C1 */
		at += length;
	}
	return true;
}

TEST(whatever_comes_in_what_goes_out_is_clean)
{
	/* Two bytes with every value, then one at each limit of the encoding. */
	static const unsigned char third[] = { 'a',  0x1b, 0x7f, 0x80, 0x9b, 0x9f,
					       0xa0, 0xbf, 0xc2, 0xe2, 0xf0, 0xff };
	for (unsigned int pair = 0; pair < 0x10000; pair++) {
		for (size_t i = 0; i < ARRAY_LEN(third); i++) {
			char in[] = { (char)(pair >> 8), (char)pair, (char)third[i] };
			struct escape escape = for_log;
			char out[ESCAPE_ROOM(sizeof(in)) + ESCAPE_ROOM(0)];
			size_t n = escape_bytes(&escape, in, sizeof(in), out);
			assert_true(n <= ESCAPE_ROOM(sizeof(in)));
			n += escape_end(&escape, out + n);
			assert_true(is_clean((const unsigned char *)out, n));
		}
	}
}

/* ---- room ---- */

TEST(three_bytes_held_back_and_a_fourth_fit_into_the_room_of_one)
{
	struct escape escape = for_log;
	struct shown shown = { 0 };
	feed(&escape, "\xf0\x9f\x90", 3, &shown);
	assert_int_equal(shown.size, 0);
	feed(&escape, "\xff", 1, &shown);
	end(&escape, &shown);
	assert_string_equal(shown.text, "\\xf0\\x9f\\x90\\xff");
}

TEST(the_end_gives_back_what_was_held_once)
{
	struct escape escape = for_log;
	struct shown shown = { 0 };
	feed(&escape, "\xf0\x9f", 2, &shown);
	end(&escape, &shown);
	end(&escape, &shown);
	assert_string_equal(shown.text, "\\xf0\\x9f");
	feed(&escape, "ok", 2, &shown);
	end(&escape, &shown);
	assert_string_equal(shown.text, "\\xf0\\x9fok");
}

TEST(nothing_in_is_nothing_out)
{
	assert_int_equal(filter(for_screen, "", 0, 0).size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_single_byte_is_itself_or_shown),
		cmocka_unit_test(layout_passes_to_a_screen_and_not_into_a_log),
		cmocka_unit_test(every_sequence_comes_out_the_same_wherever_it_is_cut),
		cmocka_unit_test(every_sequence_comes_out_the_same_byte_by_byte),
		cmocka_unit_test(a_terminal_without_utf8_gets_ascii_only),
		cmocka_unit_test(whatever_comes_in_what_goes_out_is_clean),
		cmocka_unit_test(three_bytes_held_back_and_a_fourth_fit_into_the_room_of_one),
		cmocka_unit_test(the_end_gives_back_what_was_held_once),
		cmocka_unit_test(nothing_in_is_nothing_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
