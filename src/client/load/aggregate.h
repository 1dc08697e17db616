/* SPDX-License-Identifier: MIT */
/*
 * Adds up the counts that the threads of a load pass on (client/load/interval_buffer.h): first to
 * intervals over all threads, then to the result of the whole run.
 *
 *	          |1        |2        |3        |4        |5
 *	thread 0  |--a------|--b------|--c----------------|      could not pass on at 4: its
 *	thread 1  |--d------|--e------|--f------|--g------|      buffer was still full
 *	          |  a + d  |  b + e  |     c + f + g     |
 *
 * An interval ends where all threads have passed on their counts. Each message is therefore in
 * exactly one interval, and the whole is exactly their sum.
 */
#ifndef CLIENT_LOAD_AGGREGATE_H
#define CLIENT_LOAD_AGGREGATE_H

#include <stdint.h>

#include "base/compiler.h"
#include "client/load/load.h"
#include "stats/recorder.h"
#include "stats/result.h"

struct aggregate {
	struct load *loads;
	uint32_t n; /* number of threads */
	struct recorder *recorder;
	struct result *whole;    /* sum of all finished intervals */
	struct result interval;  /* counts so far of the current interval */
	uint64_t from;           /* second in which the current interval begins */
	int code;                /* first negative code of the recorder; 0: none */
	uint64_t p50_ns, p99_ns; /* response times of the last interval; 0: no echo */
};

/*
 * Prepares an aggregate before the first thread starts. The caller keeps ownership of all
 * arguments. Returns 0 or -ENOMEM.
 */
MUST_USE int aggregate_open(struct aggregate *ret_aggregate, struct load *loads,
			    struct recorder *recorder, struct result *whole);
void aggregate_close(struct aggregate *aggregate);

/* Takes the counts that the first n threads have passed on. n: number of threads started. */
void aggregate_collect(struct aggregate *aggregate, uint32_t n);

/*
 * Takes the rest after all threads have ended: the last interval. last_ns: time of the last echo
 * since measuring began; the interval ends there if it contains that echo. ended_ns: time at which
 * the threads ended since measuring began; 0: measuring never began and there are no intervals.
 * Returns 0 or the code of the recorder.
 */
MUST_USE int aggregate_finish(struct aggregate *aggregate, uint64_t last_ns, uint64_t ended_ns);

#endif
