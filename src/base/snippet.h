/* SPDX-License-Identifier: MIT */
/*
 * The first few bytes of a buffer, for a message: as hex, or quoted if they are text.
 */
#ifndef BASE_SNIPPET_H
#define BASE_SNIPPET_H

#include <stdbool.h>
#include <stddef.h>

/* Maximum number of bytes shown. "..." stands for the rest. */
#define SNIPPET_HEX  16
#define SNIPPET_TEXT 32

struct snippet {
	char text[4 * (SNIPPET_TEXT + 3) + sizeof("\"\"...")];
};

/* Formats up to SNIPPET_HEX bytes as "41 42 00". */
struct snippet snippet_hex(const void *bytes, size_t n);

/* Formats up to SNIPPET_TEXT bytes as "\"hello^J\"", with quotes, escaped (base/escape.h). */
struct snippet snippet_quoted(const void *bytes, size_t n);

/*
 * Returns the length of the ASCII text at the start: printable bytes, tab, newline, carriage
 * return.
 */
size_t snippet_text_length(const void *bytes, size_t n);

#endif
