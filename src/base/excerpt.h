/* SPDX-License-Identifier: MIT */
/*
 * A few bytes of many, for a sentence: as hex, or quoted where they are text.
 */
#ifndef BASE_EXCERPT_H
#define BASE_EXCERPT_H

#include <stdbool.h>
#include <stddef.h>

/* So many bytes are shown; "..." stands for the rest. */
#define EXCERPT_HEX  16
#define EXCERPT_TEXT 32

struct excerpt {
	char text[4 * (EXCERPT_TEXT + 3) + sizeof("\"\"...")];
};

/* "41 42 00", of up to EXCERPT_HEX bytes. */
struct excerpt excerpt_hex(const void *bytes, size_t n);

/* "\"hello^J\"", with quotes, escaped (base/escape.h), of up to EXCERPT_TEXT bytes. */
struct excerpt excerpt_quoted(const void *bytes, size_t n);

/* How many bytes from the first on are ASCII text: printable, or tab, newline, carriage return. */
size_t excerpt_text_length(const void *bytes, size_t n);

#endif
