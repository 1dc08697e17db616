/* SPDX-License-Identifier: MIT */
/*
 * How a thread of a load hands over what it counted, once a second, to the one that adds it up:
 * there are two results, one that the thread counts into and one that changes hands, and a flag
 * that says in whose it is. Neither ever waits for the other: if the one that was handed over is
 * not back yet, the thread counts on, and what it hands over next is of a longer time.
 *
 * A second's end is given as its number: the n-th is n seconds after the measuring began.
 */
#ifndef CLIENT_LOAD_INTERVAL_BUFFER_H
#define CLIENT_LOAD_INTERVAL_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/result.h"

struct interval_buffer {
	_Atomic bool is_full; /* what follows is the taker's; else the thread's */
	struct result counts; /* empty while it is the thread's */
	uint64_t until;       /* all up to the end of this second */
};

/* Returns 0 or -ENOMEM. */
MUST_USE int interval_buffer_open(struct interval_buffer *ret_handover);
void interval_buffer_close(struct interval_buffer *buffer);

/*
 * Of the thread: hands over what it counted since it last did, up to the end of a second, and
 * *counts is empty. False: what it handed over last has not been taken yet; nothing has happened.
 */
MUST_USE bool interval_buffer_give(struct interval_buffer *buffer, struct result *counts,
				   uint64_t until);

/*
 * Of the taker: adds what was handed over, and gives the room for it back. Returns the second up to
 * whose end it is, 0: there is nothing.
 */
uint64_t interval_buffer_take(struct interval_buffer *buffer, struct result *into);

#endif
