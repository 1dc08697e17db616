/* SPDX-License-Identifier: MIT */
#include "base/snippet.h"

#include <stdio.h>
#include <string.h>

#include "base/escape.h"

struct snippet snippet_hex(const void *bytes, size_t n)
{
	struct snippet excerpt = { .text = "" };
	size_t shown = n < SNIPPET_HEX ? n : SNIPPET_HEX;
	char *out = excerpt.text;
	for (size_t i = 0; i < shown; i++)
		out += sprintf(out, "%s%02x", i > 0 ? " " : "", ((const unsigned char *)bytes)[i]);
	memcpy(out, shown < n ? " ..." : "", shown < n ? sizeof(" ...") : 1);
	return excerpt;
}

struct snippet snippet_quoted(const void *bytes, size_t n)
{
	struct snippet excerpt = { .text = "\"" };
	struct escape escape = { .utf8 = false };
	size_t shown = n < SNIPPET_TEXT ? n : SNIPPET_TEXT;
	char *out = excerpt.text + 1;
	out += escape_bytes(&escape, bytes, shown, out);
	memcpy(out, shown < n ? "...\"" : "\"", shown < n ? sizeof("...\"") : sizeof("\""));
	return excerpt;
}

size_t snippet_text_length(const void *bytes, size_t n)
{
	const unsigned char *in = bytes;
	size_t length = 0;
	while (length < n && ((in[length] >= 0x20 && in[length] < 0x7f) || in[length] == '\t' ||
			      in[length] == '\n' || in[length] == '\r'))
		length++;
	return length;
}
