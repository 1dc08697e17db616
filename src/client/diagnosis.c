/* SPDX-License-Identifier: MIT */
/*
 * The checks run in this order, the most conclusive first: the bytes belong to some stream; they
 * are the expected bytes with a few changes; the stream continues after foreign bytes; they are
 * text; they are many. If no check succeeds, there are too few bytes.
 */
#include "client/diagnosis.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/payload.h"

/*
 * Numbers of bytes that are no coincidence: ENOUGH_RIGHT correct bytes, ENOUGH_TEXT bytes of text
 * with no other bytes after them, or SURELY_TEXT bytes of text.
 */
#define ENOUGH_RIGHT ((size_t)4)
#define ENOUGH_TEXT  ((size_t)6)
#define SURELY_TEXT  ((size_t)12)

/* The data that is examined. */
struct view {
	const struct diagnosis_case *given;
	struct payload payload;
	const unsigned char *received;
	size_t n;                              /* number of received bytes */
	size_t n_expected;                     /* at most n; less if fewer were sent */
	unsigned char expected[DIAGNOSIS_MAX]; /* zero after n_expected */
};

static size_t smaller_length(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

static void view_begin(struct view *view, const struct diagnosis_case *given)
{
	uint64_t left = given->sent > given->offset ? given->sent - given->offset : 0;
	*view = (struct view){ .given = given,
			       .payload = payload_of(given->seed, given->connection),
			       .received = given->received,
			       .n = smaller_length(given->n, DIAGNOSIS_MAX) };
	view->n_expected = smaller_length(left, view->n);
	payload_fill(&view->payload, given->offset, view->expected, view->n_expected);
}

static void diagnosis_format(struct diagnosis *diagnosis, const char *format, ...)
	PRINTF_LIKE(2, 3);

/* Appends to the text. */
static void diagnosis_format(struct diagnosis *diagnosis, const char *format, ...)
{
	size_t used = strlen(diagnosis->text);
	va_list values;
	va_start(values, format);
	vsnprintf(diagnosis->text + used, sizeof(diagnosis->text) - used, format, values);
	va_end(values);
}

/* "1 byte is", "64 bytes are" */
static void append_bytes(struct diagnosis *diagnosis, uint64_t n, const char *one, const char *many)
{
	diagnosis_format(diagnosis, "%" PRIu64 " %s %s", n, n == 1 ? "byte" : "bytes",
			 n == 1 ? one : many);
}

/* Appends the bytes as text if they are text, otherwise as hex. */
static void append_snippet(struct diagnosis *diagnosis, const unsigned char *bytes, size_t n)
{
	if (snippet_text_length(bytes, n) == n)
		diagnosis_format(diagnosis, "%s", snippet_quoted(bytes, n).text);
	else
		diagnosis_format(diagnosis, "hex %s", snippet_hex(bytes, n).text);
}

/* "byte 8192 differs: sent 0x41, got 0x00" */
static void append_differs(const struct view *view, struct diagnosis *diagnosis)
{
	diagnosis_format(diagnosis, "byte %" PRIu64 " differs: sent 0x%02x, got 0x%02x",
			 view->given->offset, view->expected[0], view->received[0]);
}

/* ---- bytes of a stream ---- */

/*
 * Returns true if n bytes are found by chance among all sent bytes with a probability below 2^-20.
 */
static bool is_certain(const struct diagnosis_case *given, size_t n)
{
	double all = (double)given->n_connections * (double)given->max_sent;
	for (size_t i = 0; i < n; i++)
		all /= 256;
	return all < 1.0 / (1 << 20);
}

/*
 * Finds where bytes come from, by the first bytes: by as many as are needed, or by fewer if the
 * rest comes from elsewhere.
 */
static bool find_origin(const struct diagnosis_case *given, const unsigned char *bytes, size_t n,
			struct payload_place *ret_place)
{
	for (n = smaller_length(n, PAYLOAD_LOCATE_SURE + 1); n >= PAYLOAD_LOCATE_MIN; n--) {
		struct payload_place place;
		if (!is_certain(given, n))
			return false;
		if (!payload_locate(given->seed, given->n_connections, given->max_sent, bytes, n,
				    &place))
			continue;
		if (place.connection == given->connection && place.offset + n > given->sent)
			continue;
		*ret_place = place;
		return true;
	}
	return false;
}

/* Returns true if the bytes from index `behind` are correct, and enough to be no coincidence. */
static bool continues_right(const struct view *view, size_t behind)
{
	if (behind + ENOUGH_RIGHT > view->n_expected)
		return false;
	return memcmp(view->received + behind, view->expected + behind,
		      view->n_expected - behind) == 0;
}

static void append_moved(const struct view *view, struct diagnosis *diagnosis)
{
	uint64_t offset = view->given->offset;
	if (diagnosis->kind == DIAGNOSIS_LOST) {
		append_bytes(diagnosis, diagnosis->n_bytes, "is", "are");
		diagnosis_format(diagnosis, " missing at byte %" PRIu64, offset);
		if (view->expected[0] == '\r' && diagnosis->n_bytes == 1 &&
		    view->received[0] == '\n')
			diagnosis_format(diagnosis, " (line ends were converted)");
		else if (view->expected[0] == 0)
			diagnosis_format(diagnosis, " (they begin with a zero byte)");
		return;
	}
	diagnosis_format(diagnosis, "byte %" PRIu64 " is byte %" PRIu64, offset, diagnosis->origin);
	if (diagnosis->kind == DIAGNOSIS_STRAY) {
		diagnosis_format(diagnosis, " of connection %" PRIu64, diagnosis->connection);
		return;
	}
	diagnosis_format(diagnosis, " again, ");
	append_bytes(diagnosis, diagnosis->n_bytes, "back", "back");
	if (diagnosis->n_bytes == 1 && view->received[0] == 0xff)
		diagnosis_format(diagnosis, " (0xff was doubled, as telnet does)");
}

/* Checks for bytes from another place of this stream, or from another stream. */
static bool find_moved(const struct view *view, struct diagnosis *diagnosis)
{
	const struct diagnosis_case *given = view->given;
	struct payload_place place;
	if (!find_origin(given, view->received, view->n, &place))
		return false;
	struct payload payload = payload_of(given->seed, place.connection);
	size_t run = payload_match(&payload, place.offset, view->received, view->n);
	diagnosis->connection = place.connection;
	diagnosis->origin = place.offset;
	if (place.connection != given->connection) {
		diagnosis->kind = DIAGNOSIS_STRAY;
		diagnosis->n_bytes = run;
	} else if (place.offset > given->offset) {
		diagnosis->kind = DIAGNOSIS_LOST;
		diagnosis->n_bytes = place.offset - given->offset;
	} else {
		diagnosis->kind = DIAGNOSIS_REPEATED;
		diagnosis->n_bytes = given->offset - place.offset;
	}
	append_moved(view, diagnosis);
	/* A block replaced another, and nothing after it moved. */
	if (run < view->n && continues_right(view, run))
		diagnosis_format(diagnosis, " (%zu bytes; those after them are right)", run);
	return true;
}

/* ---- the expected bytes with changes ---- */

struct difference {
	size_t n_bytes, last; /* number of bytes that differ; index of the last */
	unsigned int n_bits;
	bool capitals, small, seven_bits; /* true if this change explains every byte */
};

static bool is_in(unsigned char byte, char first, char last)
{
	return byte >= first && byte <= last;
}

static struct difference difference_of(const struct view *view)
{
	struct difference difference = { .capitals = true, .small = true, .seven_bits = true };
	for (size_t i = 0; i < view->n_expected; i++) {
		unsigned char sent = view->expected[i], got = view->received[i];
		difference.capitals &= got == (is_in(sent, 'a', 'z') ? sent - 32 : sent);
		difference.small &= got == (is_in(sent, 'A', 'Z') ? sent + 32 : sent);
		difference.seven_bits &= got == (sent & 0x7f);
		if (sent == got)
			continue;
		difference.n_bytes++;
		difference.last = i;
		difference.n_bits += (unsigned int)__builtin_popcount(sent ^ got);
	}
	return difference;
}

static void append_flipped(const struct view *view, const struct difference *difference,
			   struct diagnosis *diagnosis)
{
	if (difference->n_bytes == 1) {
		append_differs(view, diagnosis);
		if (difference->n_bits == 1)
			diagnosis_format(diagnosis, " (one bit flipped: bit %u)", diagnosis->bit);
		else
			diagnosis_format(diagnosis, " (%u bits flipped)", difference->n_bits);
		return;
	}
	append_differs(view, diagnosis);
	diagnosis_format(diagnosis, " (%zu of %zu bytes differ", difference->n_bytes,
			 difference->last + 1);
	if (difference->seven_bits)
		diagnosis_format(diagnosis, ": all lost their highest bit)");
	else if (difference->capitals)
		diagnosis_format(diagnosis, ": letters became upper case)");
	else if (difference->small)
		diagnosis_format(diagnosis, ": letters became lower case)");
	else
		diagnosis_format(diagnosis, "; those after them are right)");
}

static bool find_flipped(const struct view *view, struct diagnosis *diagnosis)
{
	struct difference difference = difference_of(view);
	size_t n_right = view->n_expected - difference.n_bytes;
	if (n_right < ENOUGH_RIGHT || n_right * 4 < view->n_expected)
		return false;
	diagnosis->kind = DIAGNOSIS_FLIPPED;
	diagnosis->n_bytes = difference.n_bytes;
	diagnosis->n_bits = difference.n_bits;
	if (difference.n_bits == 1)
		diagnosis->bit = (unsigned int)__builtin_ctz(view->expected[0] ^ view->received[0]);
	append_flipped(view, &difference, diagnosis);
	return true;
}

/* ---- foreign bytes ---- */

/* Returns true if each newline became a carriage return and a newline. */
static bool has_crlf(const struct view *view)
{
	size_t at = 0, n_more = 0;
	for (size_t i = 0; i < view->n_expected && at < view->n; i++) {
		if (view->expected[i] == '\n') {
			if (view->received[at] != '\r')
				return false;
			at++;
			n_more++;
		}
		if (at < view->n && view->received[at++] != view->expected[i])
			return false;
	}
	return view->expected[0] == '\n' && at >= n_more + ENOUGH_RIGHT;
}

static void append_inserted(const struct view *view, struct diagnosis *diagnosis, size_t n)
{
	uint64_t offset = view->given->offset;
	diagnosis->kind = DIAGNOSIS_INSERTED;
	diagnosis->n_bytes = n;
	append_bytes(diagnosis, n, "was", "were");
	diagnosis_format(diagnosis, " inserted before byte %" PRIu64, diagnosis->origin);
	if (diagnosis->origin > offset)
		diagnosis_format(diagnosis, ", replacing %" PRIu64, diagnosis->origin - offset);
	diagnosis_format(diagnosis, ": ");
	append_snippet(diagnosis, view->received, n);
}

/* Checks for inserted bytes after which the stream continues, at the same offset or further on. */
static bool find_inserted(const struct view *view, struct diagnosis *diagnosis)
{
	const struct diagnosis_case *given = view->given;
	if (has_crlf(view)) {
		diagnosis->origin = given->offset;
		append_inserted(view, diagnosis, 1);
		diagnosis_format(diagnosis, " (line ends were converted)");
		return true;
	}
	for (size_t n = 1; n + ENOUGH_RIGHT <= view->n; n++) {
		size_t rest = smaller_length(given->sent - given->offset, view->n - n);
		struct payload_place place = { .connection = given->connection,
					       .offset = given->offset };
		bool same = rest >= ENOUGH_RIGHT && rest == view->n - n &&
			    memcmp(view->received + n, view->expected, rest) == 0;
		if (!same && !find_origin(given, view->received + n, view->n - n, &place))
			continue;
		if (place.connection != given->connection || place.offset < given->offset)
			continue;
		diagnosis->origin = place.offset;
		append_inserted(view, diagnosis, n);
		return true;
	}
	return false;
}

static bool is_text(const struct view *view, size_t *ret_length)
{
	size_t length = snippet_text_length(view->received, view->n);
	*ret_length = length;
	return length >= SURELY_TEXT || (length == view->n && length >= ENOUGH_TEXT);
}

static bool find_foreign(const struct view *view, struct diagnosis *diagnosis)
{
	size_t length;
	bool text = is_text(view, &length), surplus = view->n_expected == 0;
	if (!text && !surplus && view->n <= PAYLOAD_LOCATE_SURE)
		return false;
	diagnosis->kind = surplus ? DIAGNOSIS_SURPLUS : DIAGNOSIS_FOREIGN;
	diagnosis_format(diagnosis, "byte %" PRIu64 " %s: ", view->given->offset,
			 surplus ? "was never sent" : "was not sent by this client");
	if (text)
		diagnosis_format(diagnosis, "got %s", snippet_quoted(view->received, length).text);
	else
		diagnosis_format(diagnosis, "got hex %s",
				 snippet_hex(view->received, view->n).text);
	return true;
}

/* ---- all checks ---- */

static void set_unknown(const struct view *view, struct diagnosis *diagnosis)
{
	unsigned int bits = view->expected[0] ^ view->received[0];
	append_differs(view, diagnosis);
	diagnosis_format(diagnosis, " (%stoo few bytes to find the cause)",
			 __builtin_popcount(bits) == 1 ? "one bit; " : "");
}

struct diagnosis diagnose(const struct diagnosis_case *wrong)
{
	struct diagnosis diagnosis = { .connection = wrong->connection };
	struct view view;
	assert(wrong->n > 0);
	view_begin(&view, wrong);
	diagnosis.expected = snippet_hex(view.expected, view.n_expected);
	diagnosis.received = snippet_hex(view.received, view.n);
	if (wrong->n_connections > 1)
		diagnosis_format(&diagnosis, "connection %" PRIu64 ": ", wrong->connection);
	if (find_moved(&view, &diagnosis))
		return diagnosis;
	if (view.n_expected > 0 &&
	    (find_flipped(&view, &diagnosis) || find_inserted(&view, &diagnosis)))
		return diagnosis;
	if (!find_foreign(&view, &diagnosis))
		set_unknown(&view, &diagnosis);
	return diagnosis;
}
