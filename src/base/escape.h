/* SPDX-License-Identifier: MIT */
/*
 * Makes bytes from outside safe for a terminal and a log.
 *
 * A terminal obeys control bytes: they can overwrite text on the screen, rename the window, or even
 * make the terminal type (CVE-2021-33477). So this filter shows them instead. Control bytes become
 * ^X, and bytes that are not valid UTF-8 become \xNN. Code points that reorder or hide text (C1
 * controls, bidirectional controls, line separators) become \xNN too.
 *
 * It filters a stream: a UTF-8 sequence may be split between two calls.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/*
 * Size of the output for n bytes: each byte becomes at most four, and up to three bytes that the
 * previous call kept may be written too.
 */
#define ESCAPE_GROWTH  4
#define ESCAPE_ROOM(n) (ESCAPE_GROWTH * ((n) + 3))

struct escape {
	bool utf8; /* the reader knows UTF-8; if not, every byte above 0x7e is escaped */
	/* newline and tab pass: right for a screen; in a log they would allow forged lines */
	bool keep_layout;
	unsigned char held[4]; /* the start of an unfinished UTF-8 sequence */
	size_t n_held;
};

/*
 * Filters n bytes into out, which must have room for ESCAPE_ROOM(n). Returns the number of bytes
 * written. Up to three bytes of an unfinished UTF-8 sequence are kept for the next call.
 */
size_t escape_bytes(struct escape *escape, const void *bytes, size_t n, char *out);

/*
 * Ends the stream: writes the kept bytes escaped, at most ESCAPE_ROOM(0). Returns the number of
 * bytes written.
 */
size_t escape_end(struct escape *escape, char *out);

/*
 * Sets *ret_copy to n bytes as one line of UTF-8 that is safe to print and to store in a document.
 * The caller frees it. Returns 0 or -ENOMEM.
 */
MUST_USE int escape_copy(const char *bytes, size_t n, char **ret_copy);

#endif
