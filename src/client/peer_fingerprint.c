/* SPDX-License-Identifier: MIT */
#include "client/peer_fingerprint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/snippet.h"
#include "base/units.h"

/* Number of bytes that are not found in a reply, or changed by a rule, by chance. */
#define ENOUGH ((size_t)4)

/* Number of bytes at the start of a foreign text that must not contain sent bytes. */
#define OTHER_SIZE ((size_t)16)

static bool is_kind(struct peer_fingerprint *endpoint, enum peer_kind kind, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Sets the kind and its text. Returns true, for the callers to return. */
static bool is_kind(struct peer_fingerprint *endpoint, enum peer_kind kind, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	endpoint->kind = kind;
	vsnprintf(endpoint->text, sizeof(endpoint->text), format, values);
	va_end(values);
	return true;
}

static size_t common_prefix_length(const struct peer_reply *reply)
{
	size_t same = 0;
	while (same < reply->n_sent && same < reply->n_received &&
	       reply->sent[same] == reply->received[same])
		same++;
	return same;
}

/* Returns true if n bytes are a line end, or nothing. */
static bool is_line_end(const unsigned char *bytes, size_t n)
{
	return n == 0 || (n == 1 && (bytes[0] == '\n' || bytes[0] == '\r')) ||
	       (n == 2 && memcmp(bytes, "\r\n", 2) == 0);
}

/* Returns the size of the first line without its end; of everything if there is no line end. */
static size_t first_line(const unsigned char *bytes, size_t n)
{
	const unsigned char *end = memchr(bytes, '\n', n);
	size_t size = end == NULL ? n : (size_t)(end - bytes);
	return size > 0 && end != NULL && bytes[size - 1] == '\r' ? size - 1 : size;
}

static bool is_silent(const struct peer_reply *reply, struct peer_fingerprint *endpoint)
{
	if (reply->n_received > 0)
		return false;
	if (reply->ended)
		return is_kind(endpoint, PEER_SILENT,
			       "not an echo server: it closed without a reply");
	bool line = reply->n_sent == 0 || memchr(reply->sent, '\n', reply->n_sent) != NULL;
	return is_kind(endpoint, PEER_SILENT, "not an echo server: nothing came back%s",
		       line ? "" : " (it may be waiting for the end of a line)");
}

/* Recognises protocols by their first bytes. */
static bool is_of_another_protocol(const struct peer_reply *reply, size_t same,
				   struct peer_fingerprint *endpoint)
{
	const unsigned char *received = reply->received;
	size_t n = reply->n_received;
	if (same < 5 && n >= 5 && memcmp(received, "HTTP/", 5) == 0)
		return is_kind(endpoint, PEER_HTTP,
			       "not an echo server but an HTTP server: it answers %s",
			       snippet_quoted(received, first_line(received, n)).text);
	/* A TLS record of type alert, of any version 3.x (RFC 8446, section 5.1). */
	if (same < 2 && n >= 7 && received[0] == 0x15 && received[1] == 3 && received[3] == 0 &&
	    received[4] == 2)
		return is_kind(endpoint, PEER_TLS,
			       "not an echo server but a TLS server: it answers with alert %d",
			       received[6]);
	if (reply->n_sent == 0)
		return is_kind(endpoint, PEER_SPEAKS_FIRST,
			       "not an echo server: it sends first: %s",
			       snippet_quoted(received, n).text);
	return false;
}

/* All received bytes are correct, but some are missing. */
static bool is_short(const struct peer_reply *reply, size_t same, struct peer_fingerprint *endpoint)
{
	if (same < reply->n_received)
		return false;
	size_t n_left = reply->n_sent - same;
	if (n_left == 0)
		return is_kind(endpoint, PEER_ECHO, "an echo: every byte came back");
	if (is_line_end(reply->sent + same, n_left))
		return is_kind(endpoint, PEER_LINE_ENDS, "no plain echo: it removes %s",
			       snippet_quoted(reply->sent + same, n_left).text);
	if (!reply->ended && reply->sent[same - 1] == '\n' &&
	    memchr(reply->sent + same, '\n', n_left) == NULL)
		return is_kind(endpoint, PEER_LINES,
			       "no plain echo: it answers whole lines only (%zu byte%s after the "
			       "last newline did not come back)",
			       n_left, units_s(n_left));
	return is_kind(endpoint, PEER_SHORT, "%s%zu of %zu bytes came back",
		       reply->ended ? "it ended early: " : "", same, reply->n_sent);
}

/* All bytes came back, followed by others. */
static bool is_suffix(const struct peer_reply *reply, size_t same,
		      struct peer_fingerprint *endpoint)
{
	if (same < reply->n_sent)
		return false;
	return is_kind(endpoint, PEER_SUFFIX, "no plain echo: it adds %s after what it returns",
		       snippet_quoted(reply->received + same, reply->n_received - same).text);
}

/* The first line came back with a different line end. */
static bool is_line_ends(const struct peer_reply *reply, size_t same,
			 struct peer_fingerprint *endpoint)
{
	size_t line = first_line(reply->sent, reply->n_sent);
	const unsigned char *end = memchr(reply->sent, '\n', reply->n_sent);
	if (end == NULL || same < line || same > (size_t)(end - reply->sent))
		return false;
	bool lf = reply->received[line] == '\n';
	bool crlf = line + 1 < reply->n_received && reply->received[line] == '\r' &&
		    reply->received[line + 1] == '\n';
	if (!lf && !crlf)
		return false;
	return is_kind(endpoint, PEER_LINE_ENDS, "no plain echo: it changes line ends to %s",
		       crlf ? "\"^M^J\"" : "\"^J\"");
}

/* Other bytes, followed by at least the first line that was sent. */
static bool is_prefix(const struct peer_reply *reply, struct peer_fingerprint *endpoint)
{
	const unsigned char *received = reply->received;
	size_t n = reply->n_received, line = first_line(reply->sent, reply->n_sent);
	if (line == 0)
		return false;
	const unsigned char *found = memmem(received, n, reply->sent, line);
	if (found == NULL || found == received)
		return false;
	size_t prefix = (size_t)(found - received), behind = n - prefix - line;
	if (line < ENOUGH && !is_line_end(found + line, behind))
		return false;
	/* The same bytes follow again after the line and its end: they come before each line. */
	bool each = memmem(found + line, behind, received, prefix) != NULL;
	return is_kind(endpoint, PEER_PREFIX, "no plain echo: it adds %s before %s",
		       snippet_quoted(received, prefix).text,
		       each ? "each line" : "what it returns");
}

/* ---- rules ---- */

static int capital(int byte)
{
	return byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte;
}

static int small(int byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte;
}

static int other_case(int byte)
{
	return capital(byte) != byte ? capital(byte) : small(byte);
}

static int rotated(int byte)
{
	if (small(byte) < 'a' || small(byte) > 'z')
		return byte;
	return small(byte) <= 'm' ? byte + 13 : byte - 13;
}

static int seven_bits(int byte)
{
	return byte & 0x7f;
}

static int inverted(int byte)
{
	return byte ^ 0xff;
}

static const struct {
	int (*change)(int byte); /* maps a sent byte to the byte that comes back */
	const char *what;
} rules[] = {
	{ capital, "changes letters to upper case" },
	{ small, "changes upper case to lower case" },
	{ other_case, "exchanges upper and lower case" },
	{ rotated, "rotates letters by 13" },
	{ seven_bits, "clears the highest bit of each byte" },
	{ inverted, "inverts every bit" },
};

static bool is_transformed(const struct peer_reply *reply, struct peer_fingerprint *endpoint)
{
	size_t n = reply->n_sent < reply->n_received ? reply->n_sent : reply->n_received;
	if (n < ENOUGH)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		size_t at = 0;
		while (at < n && rules[i].change(reply->sent[at]) == reply->received[at])
			at++;
		if (at == n)
			return is_kind(endpoint, PEER_TRANSFORMED, "no plain echo: it %s",
				       rules[i].what);
	}
	return false;
}

/* same: number of bytes that are right and in place. A palindrome that came back is an echo. */
static bool is_reversed(const struct peer_reply *reply, size_t same,
			struct peer_fingerprint *endpoint)
{
	size_t line = first_line(reply->sent, reply->n_sent);
	if (line < ENOUGH || same >= line)
		return false;
	/* The line end may stay at the end, or come first like everything else: skip it. */
	size_t skip = 0;
	while (skip < reply->n_received && skip < 2 && is_line_end(reply->received + skip, 1) &&
	       reply->received[skip] != reply->sent[line - 1])
		skip++;
	if (reply->n_received < skip + line)
		return false;
	for (size_t i = 0; i < line; i++) {
		if (reply->received[skip + i] != reply->sent[line - 1 - i])
			return false;
	}
	return is_kind(endpoint, PEER_REVERSED, "no plain echo: it returns the last byte first");
}

struct peer_fingerprint peer_fingerprint_identify(const struct peer_reply *reply)
{
	struct peer_fingerprint endpoint = { .text = "" };
	size_t same = common_prefix_length(reply);
	if (is_silent(reply, &endpoint) || is_of_another_protocol(reply, same, &endpoint) ||
	    is_short(reply, same, &endpoint) || is_suffix(reply, same, &endpoint) ||
	    is_line_ends(reply, same, &endpoint) || is_prefix(reply, &endpoint) ||
	    is_transformed(reply, &endpoint) || is_reversed(reply, same, &endpoint))
		return endpoint;
	is_kind(&endpoint, PEER_OTHER, "not an echo server: it answers %s",
		snippet_quoted(reply->received, reply->n_received).text);
	return endpoint;
}

/* ---- a fault, or another server ---- */

/* Returns true if a quarter of the received bytes is correct and in place: an echo with a fault. */
static bool is_mostly_right(const struct peer_reply *reply)
{
	size_t n = reply->n_sent < reply->n_received ? reply->n_sent : reply->n_received;
	size_t n_same = 0;
	for (size_t i = 0; i < n; i++)
		n_same += reply->sent[i] == reply->received[i];
	return n_same * 4 >= n;
}

/* Returns true if ENOUGH consecutive sent bytes are among the first n received bytes. */
static bool has_sent_bytes(const struct peer_reply *reply, size_t n)
{
	for (size_t i = 0; i + ENOUGH <= n; i++) {
		if (memmem(reply->sent, reply->n_sent, reply->received + i, ENOUGH) != NULL)
			return true;
	}
	return false;
}

static bool is_other_text(const struct peer_reply *reply)
{
	size_t n = snippet_text_length(reply->received, reply->n_received);
	return n >= ENOUGH && !is_mostly_right(reply) &&
	       !has_sent_bytes(reply, n < OTHER_SIZE ? n : OTHER_SIZE);
}

/* Returns true if the prefix contains no sent bytes. Otherwise the echo is shifted or repeated. */
static bool is_other_prefix(const struct peer_reply *reply)
{
	size_t line = first_line(reply->sent, reply->n_sent);
	const unsigned char *found = memmem(reply->received, reply->n_received, reply->sent, line);
	if (found == NULL || line == 0)
		return false;
	size_t n = (size_t)(found - reply->received);
	bool is_start = n <= reply->n_sent && memcmp(reply->received, reply->sent, n) == 0;
	return !is_start && !has_sent_bytes(reply, n);
}

/* Returns true if the bytes after the echo repeat its end. */
static bool is_end_repeated(const struct peer_reply *reply)
{
	size_t n = reply->n_received - reply->n_sent;
	return n <= reply->n_sent &&
	       memcmp(reply->received + reply->n_sent, reply->sent + reply->n_sent - n, n) == 0;
}

bool peer_fingerprint_is_other_server(const struct peer_reply *reply, enum peer_kind kind)
{
	if (kind == PEER_OTHER)
		return is_other_text(reply);
	if (kind == PEER_PREFIX)
		return is_other_prefix(reply);
	if (kind == PEER_SUFFIX)
		return !is_end_repeated(reply);
	return kind != PEER_ECHO && kind != PEER_SHORT && kind != PEER_SILENT;
}
