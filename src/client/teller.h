/* SPDX-License-Identifier: MIT */
/*
 * Lines on standard output about what happens, as it happens.
 */
#ifndef CLIENT_TELLER_H
#define CLIENT_TELLER_H

#include <stdbool.h>

#include "base/compiler.h"

struct teller {
	bool is_quiet;       /* nothing is said */
	bool has_timestamps; /* before each line, in seconds since the epoch */
	bool has_said;       /* since the last flush */
};

/* Says a line; the line end is added. Errors stay with stdout. */
void teller_say(struct teller *teller, const char *format, ...) PRINTF_LIKE(2, 3);

/* Writes what was said: many lines at once, when many died at once. */
void teller_flush(struct teller *teller);

#endif
