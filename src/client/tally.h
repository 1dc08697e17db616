/* SPDX-License-Identifier: MIT */
/*
 * What `ping` counts: once for the whole run, and once for the second under way, which is handed to
 * the series when it is over (stats/time_series.h).
 */
#ifndef CLIENT_TALLY_H
#define CLIENT_TALLY_H

#include <stdint.h>

#include "base/compiler.h"
#include "stats/deviation.h"
#include "stats/result.h"
#include "stats/time_series.h"

struct tally {
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
MUST_USE int tally_open(struct tally *ret_tally, struct result *result,
			const struct interval_sink *sink);
void tally_close(struct tally *tally);

/* The first second begins. */
void tally_start(struct tally *tally, uint64_t start_ns);

/* Counts a failure, or an echo and its round trip. name: static storage. */
void tally_failure(struct tally *tally, const char *name, uint64_t now_ns);
void tally_echo(struct tally *tally, uint64_t now_ns, uint64_t took_ns);

/* Counts a message that is under way at the end of the run, with its age. */
void tally_unfinished(struct tally *tally, uint64_t now_ns, uint64_t age_ns);

/* The run is over: hands over the last, unfinished second, and notes what all of it took. */
void tally_end(struct tally *tally, uint64_t end_ns);

#endif
