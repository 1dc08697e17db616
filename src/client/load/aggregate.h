/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a load hand over (client/load/interval_buffer.h), added up: to intervals of
 * all of them, and those to the whole.
 *
 *	          |1        |2        |3        |4        |5
 *	thread 0  |--a------|--b------|--c----------------|      one that could not hand over at 4,
 *	thread 1  |--d------|--e------|--f------|--g------|      as what it had before was not taken
 *	          |  a + d  |  b + e  |     c + f + g     |
 *
 * An interval ends where all threads have handed over, so each message is in one of them, and the
 * whole is exactly their sum.
 */
#ifndef CLIENT_LOAD_AGGREGATE_H
#define CLIENT_LOAD_AGGREGATE_H

#include <stdint.h>

#include "base/compiler.h"
#include "stats/result.h"
#include "stats/time_series.h"
#include "client/load/load.h"

struct aggregate {
	struct load *loads;
	uint32_t n; /* of them */
	const struct interval_sink *sink;
	struct result *whole;   /* the sum of all intervals that are over */
	struct result interval; /* so far, of the one that is not */
	uint64_t from;          /* which begins at the end of this second */
	int code;               /* of the keeper, if it could not go on: the first */
};

/* None of the threads has begun yet. All is the caller's. Returns 0 or -ENOMEM. */
MUST_USE int aggregate_open(struct aggregate *ret_gather, struct load *loads,
			    const struct interval_sink *sink, struct result *whole);
void aggregate_close(struct aggregate *aggregate);

/* Takes what there is. The first n threads run, or did: those behind them count for nothing. */
void aggregate_look(struct aggregate *aggregate, uint32_t n);

/*
 * All have ended: takes the rest, which is the last interval. Since the measuring began, the last
 * message was back after last_ns, with which that interval ends if it is in there, and they ended
 * after ended_ns; 0: it never began, and there are no intervals. Returns 0 or the keeper's code.
 */
MUST_USE int aggregate_finish(struct aggregate *aggregate, uint64_t last_ns, uint64_t ended_ns);

#endif
