/* SPDX-License-Identifier: MIT */
/*
 * Passes the counts of a load's thread to the aggregating thread, once a second. There are two
 * results: the thread counts into one, the other changes owner, and a flag says which side owns it.
 * Neither side ever waits for the other. If the buffer is still full, the thread continues to
 * count, and its next interval is longer.
 *
 * A second's end is given as its number: the n-th is n seconds after measuring began.
 */
#ifndef CLIENT_LOAD_INTERVAL_BUFFER_H
#define CLIENT_LOAD_INTERVAL_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/result.h"

struct interval_buffer {
	_Atomic bool is_full; /* true: the reader owns the fields below; false: the thread does */
	struct result counts; /* empty while the thread owns it */
	uint64_t until;       /* the counts include everything up to the end of this second */
};

/* Returns 0 or -ENOMEM. */
MUST_USE int interval_buffer_open(struct interval_buffer *ret_buffer);
void interval_buffer_close(struct interval_buffer *buffer);

/*
 * For the thread: passes on its counts since the last call, up to the end of second `until`, and
 * empties *counts. Returns false and changes nothing if the buffer is still full.
 */
MUST_USE bool interval_buffer_put(struct interval_buffer *buffer, struct result *counts,
				  uint64_t until);

/*
 * For the reader: adds the counts of the buffer to *into and empties the buffer. Returns `until` of
 * these counts; 0: the buffer was empty.
 */
uint64_t interval_buffer_take(struct interval_buffer *buffer, struct result *into);

#endif
