/* SPDX-License-Identifier: MIT */
/*
 * A few bytes of many, for a sentence: as hex, or quoted where they are text.
 */
#ifndef BASE_SNIPPET_H
#define BASE_SNIPPET_H

#include <stdbool.h>
#include <stddef.h>

/* So many bytes are shown; "..." stands for the rest. */
#define SNIPPET_HEX  16
#define SNIPPET_TEXT 32

struct snippet {
	char text[4 * (SNIPPET_TEXT + 3) + sizeof("\"\"...")];
};

/* "41 42 00", of up to SNIPPET_HEX bytes. */
struct snippet snippet_hex(const void *bytes, size_t n);

/* "\"hello^J\"", with quotes, escaped (base/escape.h), of up to SNIPPET_TEXT bytes. */
struct snippet snippet_quoted(const void *bytes, size_t n);

/* How many bytes from the first on are ASCII text: printable, or tab, newline, carriage return. */
size_t snippet_text_length(const void *bytes, size_t n);

#endif
