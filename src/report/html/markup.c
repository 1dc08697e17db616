/* SPDX-License-Identifier: MIT */
#include "report/html/markup.h"

#include <string.h>

#include "base/escape.h"

/* Number of bytes that are escaped at a time. */
#define PIECE 256

static void put_markup(FILE *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		switch (text[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(text[i], out);
		}
	}
}

void markup_text(FILE *out, const char *text)
{
	struct escape escape = { .utf8 = true };
	char harmless[ESCAPE_ROOM(PIECE)] = "";
	size_t length = strnlen(text, MARKUP_TEXT_MAX + 1);
	size_t shown = length > MARKUP_TEXT_MAX ? MARKUP_TEXT_MAX : length;
	for (size_t at = 0; at < shown; at += PIECE) {
		size_t n = shown - at < PIECE ? shown - at : PIECE;
		put_markup(out, harmless, escape_bytes(&escape, text + at, n, harmless));
	}
	put_markup(out, harmless, escape_end(&escape, harmless));
	if (length > shown)
		fputs("…", out);
}
