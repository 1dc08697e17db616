/* SPDX-License-Identifier: MIT */
#include "base/escape.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Code points that are valid UTF-8 but must not reach a screen or a log: first and last of each
 * range.
 */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{ 0x0080, 0x009f }, /* C1 controls: 0x9b is ESC [ in one byte */
	{ 0x061c, 0x061c }, /* Arabic letter mark */
	{ 0x200b, 0x200f }, /* zero width, left-to-right and right-to-left marks */
	{ 0x2028,
	  0x202e }, /* line and paragraph separator, bidirectional embeddings and overrides */
	{ 0x2060, 0x206f },   /* invisible operators, bidirectional isolates */
	{ 0xfeff, 0xfeff },   /* byte order mark */
	{ 0xfff9, 0xfffb },   /* interlinear annotation */
	{ 0xe0000, 0xe007f }, /* tags */
};

static bool is_hidden(uint32_t point)
{
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
		if (point >= hidden[i].first && point <= hidden[i].last)
			return true;
	}
	return false;
}

/*
 * Returns the length of the UTF-8 sequence that a byte begins (RFC 3629), 0 if it cannot begin one.
 */
static size_t sequence_length(unsigned char lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

/* Returns whether a complete sequence is safe to show: shortest form, no surrogate, not hidden. */
static bool is_showable(const unsigned char *sequence, size_t length)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point = sequence[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++)
		point = point << 6 | (sequence[i] & 0x3fu);
	return point >= smallest[length] && point <= 0x10ffff &&
	       !(point >= 0xd800 && point <= 0xdfff) && !is_hidden(point);
}

static size_t put_hex(unsigned char byte, char *out)
{
	static const char digits[] = "0123456789abcdef";
	out[0] = '\\';
	out[1] = 'x';
	out[2] = digits[byte >> 4];
	out[3] = digits[byte & 0xf];
	return 4;
}

size_t escape_end(struct escape *escape, char *out)
{
	size_t used = 0;
	for (size_t i = 0; i < escape->n_held; i++)
		used += put_hex(escape->held[i], out + used);
	escape->n_held = 0;
	return used;
}

/*
 * Handles a byte outside a sequence: plain ASCII, control, start of a UTF-8 sequence, or invalid.
 */
static size_t first_byte(struct escape *escape, unsigned char byte, char *out)
{
	bool layout = byte == '\n' || byte == '\t';
	if ((byte >= 0x20 && byte < 0x7f) || (layout && escape->keep_layout)) {
		out[0] = (char)byte;
		return 1;
	}
	if (byte < 0x80) {
		out[0] = '^';
		out[1] = (char)(byte ^ 0x40); /* 0x1b is ^[, 0x7f is ^? */
		return 2;
	}
	if (escape->utf8 && sequence_length(byte) > 0) {
		escape->held[escape->n_held++] = byte;
		return 0;
	}
	return put_hex(byte, out);
}

/* Handles a byte after a kept sequence: completes it, lengthens it, or shows that it is invalid. */
static size_t later_byte(struct escape *escape, unsigned char byte, char *out)
{
	size_t used = 0;
	if ((byte & 0xc0) != 0x80) {
		used = escape_end(escape, out);
		return used + first_byte(escape, byte, out + used);
	}
	escape->held[escape->n_held++] = byte;
	size_t length = sequence_length(escape->held[0]);
	if (escape->n_held < length)
		return 0;
	if (!is_showable(escape->held, length))
		return escape_end(escape, out);
	memcpy(out, escape->held, length);
	escape->n_held = 0;
	return length;
}

size_t escape_bytes(struct escape *escape, const void *bytes, size_t n, char *out)
{
	const unsigned char *in = bytes;
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		used += escape->n_held > 0 ? later_byte(escape, in[i], out + used)
					   : first_byte(escape, in[i], out + used);
	}
	return used;
}

int escape_copy(const char *bytes, size_t n, char **ret_copy)
{
	struct escape escape = { .utf8 = true };
	char *copy = malloc(ESCAPE_ROOM(n) + ESCAPE_ROOM((size_t)0) + 1);
	if (copy == NULL)
		return -ENOMEM;
	size_t length = escape_bytes(&escape, bytes, n, copy);
	length += escape_end(&escape, copy + length);
	copy[length] = '\0';
	*ret_copy = copy;
	return 0;
}
