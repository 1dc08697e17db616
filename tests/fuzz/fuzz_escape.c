/* SPDX-License-Identifier: MIT */
/*
 * Escaping: the result does not depend on where the stream is cut; the output never exceeds its
 * room; it has nothing that a terminal would obey; and no byte is lost: a character stands there
 * unchanged, or each byte is shown.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "fuzz.h"

struct stream {
	const uint8_t *bytes;
	size_t size;
};

struct shown {
	char *text;
	size_t size;
};

/* ---- the filter ---- */

/* One call, with exactly as much memory as the contract requires. */
static void filter_piece(struct escape *escape, const uint8_t *bytes, size_t n, struct shown *shown)
{
	char *out = malloc(ESCAPE_ROOM(n));
	assert(out != NULL);
	size_t size = bytes != NULL ? escape_bytes(escape, bytes, n, out) : escape_end(escape, out);
	assert(size <= ESCAPE_ROOM(n) && escape->n_held <= 3);
	memcpy(shown->text + shown->size, out, size);
	shown->size += size;
	free(out);
}

/* A whole stream, in blocks of 1 + (cuts & 7), 1 + (cuts >> 3 & 7), ... bytes; 0: in one block. */
static struct shown filter(struct escape escape, struct stream in, uint32_t cuts)
{
	struct shown shown = { .text = malloc(ESCAPE_ROOM(in.size) + ESCAPE_ROOM(0)) };
	assert(shown.text != NULL);
	for (size_t at = 0; at < in.size;) {
		size_t n = cuts != 0 ? 1 + (cuts & 7) : in.size;
		cuts = cuts >> 3 | cuts << 29;
		if (n > in.size - at)
			n = in.size - at;
		filter_piece(&escape, in.bytes + at, n, &shown);
		at += n;
	}
	filter_piece(&escape, NULL, 0, &shown);
	assert(escape.n_held == 0);
	return shown;
}

/* ---- characters, by the table of Unicode (3-7, well-formed UTF-8 byte sequences) ---- */

static bool is_within(unsigned int byte, unsigned int first, unsigned int last)
{
	return byte >= first && byte <= last;
}

/*
 * Returns the length of the character at the start of n bytes; 0 if they do not start with one.
 * *ret_point is its code point.
 */
static size_t character(const uint8_t *bytes, size_t n, uint32_t *ret_point)
{
	unsigned int lead = bytes[0], first = 0x80, last = 0xbf;
	size_t length = is_within(lead, 0x00, 0x7f)   ? 1
			: is_within(lead, 0xc2, 0xdf) ? 2
			: is_within(lead, 0xe0, 0xef) ? 3
			: is_within(lead, 0xf0, 0xf4) ? 4
						      : 0;
	if (length == 0 || length > n)
		return 0;
	if (lead == 0xe0)
		first = 0xa0;
	else if (lead == 0xed)
		last = 0x9f;
	else if (lead == 0xf0)
		first = 0x90;
	else if (lead == 0xf4)
		last = 0x8f;
	uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if (!is_within(bytes[i], i == 1 ? first : 0x80, i == 1 ? last : 0xbf))
			return 0;
		point = point << 6 | (bytes[i] & 0x3fu);
	}
	*ret_point = point;
	return length;
}

/*
 * Returns whether it is a control, a line or paragraph separator, or changes the text direction
 * (UAX #9).
 */
static bool is_obeyed(const struct escape *escape, uint32_t point)
{
	if (point == '\n' || point == '\t')
		return !escape->keep_layout;
	return point < 0x20 || is_within(point, 0x7f, 0x9f) || point == 0x061c ||
	       is_within(point, 0x200e, 0x200f) || is_within(point, 0x2028, 0x202e) ||
	       is_within(point, 0x2066, 0x2069);
}

/* ---- the promises ---- */

static void check_harmless(const struct escape *escape, const struct shown *shown)
{
	const uint8_t *bytes = (const uint8_t *)shown->text;
	for (size_t at = 0; at < shown->size;) {
		uint32_t point;
		size_t length = character(bytes + at, shown->size - at, &point);
		assert(length > 0 && !is_obeyed(escape, point));
		assert(length == 1 || escape->utf8);
		at += length;
	}
}

/* Writes a byte in escaped form. Returns the size. */
static size_t show_byte(uint8_t byte, char out[8])
{
	int size = byte < 0x80 ? snprintf(out, 8, "^%c", byte ^ 0x40)
			       : snprintf(out, 8, "\\x%02x", byte);
	return (size_t)size;
}

/*
 * Walks over input and output together: every character, and every invalid byte, must be in the
 * output.
 */
static void check_nothing_lost(struct stream in, const struct shown *shown)
{
	size_t out = 0;
	for (size_t at = 0; at < in.size;) {
		uint32_t point;
		size_t length = character(in.bytes + at, in.size - at, &point);
		if (length > 0 && length <= shown->size - out &&
		    memcmp(in.bytes + at, shown->text + out, length) == 0) {
			at += length;
			out += length;
			continue;
		}
		if (length == 0)
			length = 1;
		for (; length > 0; length--) {
			char byte[8];
			size_t n = show_byte(in.bytes[at++], byte);
			assert(n <= shown->size - out && memcmp(shown->text + out, byte, n) == 0);
			out += n;
		}
	}
	assert(out == shown->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	uint8_t flags = fuzz_byte(&input);
	struct escape escape = { .utf8 = flags & 1, .keep_layout = flags & 2 };
	uint32_t cuts = (uint32_t)fuzz_byte(&input) << 8 | 0x49000001u;
	struct stream in = { input.at, input.left };

	struct shown whole = filter(escape, in, 0), cut = filter(escape, in, cuts);
	assert(whole.size == cut.size && memcmp(whole.text, cut.text, cut.size) == 0);
	check_harmless(&escape, &whole);
	check_nothing_lost(in, &whole);
	free(whole.text);
	free(cut.text);
	return 0;
}
