/* SPDX-License-Identifier: MIT */
/*
 * Makes bytes from strangers harmless to a terminal and to a log.
 *
 * A terminal obeys control bytes: it can be made to move the cursor over what stands there, to
 * rename its window, even to type (CVE-2021-33477). So what only a terminal would obey is shown
 * instead: control bytes as ^X, bytes that are not valid UTF-8 as \xNN, and code points that
 * reorder or hide text (C1 controls, bidirectional controls, line separators) as \xNN too.
 *
 * It is a filter over a stream: a UTF-8 sequence may be cut in two anywhere.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/* One byte grows to four at most, and three held back from the call before may come out as well. */
#define ESCAPE_GROWTH  4
#define ESCAPE_ROOM(n) (ESCAPE_GROWTH * ((n) + 3))

struct escape {
	bool utf8;             /* the reader knows UTF-8; if not, all above 0x7e is escaped */
	bool keep_layout;      /* newline and tab pass: on a screen, but in a log they forge */
	unsigned char held[4]; /* the start of a sequence whose rest has not come yet */
	size_t n_held;
};

/*
 * Filters n bytes into out, which has room for ESCAPE_ROOM(n), and returns how many it wrote there.
 * Up to three bytes of an unfinished UTF-8 sequence are held back for the next call.
 */
size_t escape_bytes(struct escape *escape, const void *bytes, size_t n, char *out);

/* The stream has ended: writes what is held back, at most ESCAPE_ROOM(0), returns its size. */
size_t escape_end(struct escape *escape, char *out);

/*
 * *ret_copy is n bytes as text that may be shown, and stand in a document: UTF-8 and one line. It
 * is the caller's, to be freed. Returns 0 or -ENOMEM.
 */
MUST_USE int escape_copy(const char *bytes, size_t n, char **ret_copy);

#endif
