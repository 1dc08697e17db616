/* SPDX-License-Identifier: MIT */
/*
 * What `ping` counts: once for the whole run, and once for the second under way, which is handed to
 * the series when it is over (stats/time_series.h).
 */
#ifndef CLIENT_PING_STATS_H
#define CLIENT_PING_STATS_H

#include <stdint.h>

#include "base/compiler.h"
#include "stats/deviation.h"
#include "stats/result.h"
#include "stats/time_series.h"

struct ping_stats {
	struct result *result; /* of the whole run; the caller counts into it as well */
	const struct interval_sink *sink;
	struct result second;       /* of the second under way */
	uint64_t start_ns;          /* of the first second */
	uint64_t n_seconds;         /* that are over */
	uint64_t n_noted;           /* verified bytes of `result` that are in some second */
	int code;                   /* of the keeper, if it failed: the run cannot go on */
	struct deviation deviation; /* of the round trips, unfinished ones included */
};

/* Begins with nothing counted. Returns 0 or -ENOMEM. */
MUST_USE int ping_stats_open(struct ping_stats *ret_tally, struct result *result,
			     const struct interval_sink *sink);
void ping_stats_close(struct ping_stats *stats);

/* The first second begins. */
void ping_stats_start(struct ping_stats *stats, uint64_t start_ns);

/* Counts a failure, or an echo and its round trip. name: static storage. */
void ping_stats_failure(struct ping_stats *stats, const char *name, uint64_t now_ns);
void ping_stats_echo(struct ping_stats *stats, uint64_t now_ns, uint64_t took_ns);

/* Counts a message that is under way at the end of the run, with its age. */
void ping_stats_unfinished(struct ping_stats *stats, uint64_t now_ns, uint64_t age_ns);

/* The run is over: hands over the last, unfinished second, and notes what all of it took. */
void ping_stats_end(struct ping_stats *stats, uint64_t end_ns);

#endif
