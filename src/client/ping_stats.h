/* SPDX-License-Identifier: MIT */
/*
 * Counts of `ping`: one result for the whole run, and one for the current second, which is recorded
 * when the second is over (stats/recorder.h).
 */
#ifndef CLIENT_PING_STATS_H
#define CLIENT_PING_STATS_H

#include <stdint.h>

#include "base/compiler.h"
#include "stats/deviation.h"
#include "stats/recorder.h"
#include "stats/result.h"

struct ping_stats {
	struct result *result; /* of the whole run; the caller also counts into it */
	struct recorder *recorder;
	struct result second;       /* of the current second */
	uint64_t start_ns;          /* start of the first second */
	uint64_t n_seconds;         /* finished seconds */
	uint64_t n_noted;           /* verified bytes of `result` that are already in a second */
	int code;                   /* negative code of the recorder: the run must end; 0: none */
	struct deviation deviation; /* of the round trips, including unfinished messages */
};

/* Begins with empty counts. Returns 0 or -ENOMEM. */
MUST_USE int ping_stats_open(struct ping_stats *ret_stats, struct result *result,
			     struct recorder *recorder);
void ping_stats_close(struct ping_stats *stats);

/* Begins the first second. */
void ping_stats_start(struct ping_stats *stats, uint64_t start_ns);

/* Counts a failure, or an echo with its round-trip time. name: static storage. */
void ping_stats_failure(struct ping_stats *stats, const char *name, uint64_t now_ns);
void ping_stats_echo(struct ping_stats *stats, uint64_t now_ns, uint64_t took_ns);

/* Counts a message in flight at the end of the run, with its age. */
void ping_stats_unfinished(struct ping_stats *stats, uint64_t now_ns, uint64_t age_ns);

/* Ends the run: passes on the last, unfinished second, and sets the elapsed time. */
void ping_stats_end(struct ping_stats *stats, uint64_t end_ns);

#endif
