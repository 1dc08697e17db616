/* SPDX-License-Identifier: MIT */
/*
 * Makes the time series of a measurement while it runs (stats/time_series.h).
 *
 * If a run has too many intervals, or its histograms are too large, neighbours are added (folded)
 * and new intervals are twice as long. Only a few are folded at a time, because the measuring
 * thread must not be delayed.
 *
 *	1 1 1 1 1 1     full
 *	2 1 1 1 1 2     the first two are folded, which makes room for an interval of two seconds
 *	2 2 1 1 2 2
 *	2 2 2 2 2 2     full again, with twice the time
 */
#ifndef STATS_RECORDER_H
#define STATS_RECORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/hlog.h"
#include "stats/histogram.h"
#include "stats/time_series.h"

/* One hour of seconds. */
#define RECORDER_INTERVALS_MAX 3600

struct recorder {
	struct hlog *hlog;
	struct time_series series; /* has room for RECORDER_INTERVALS_MAX */
	size_t n_folded;           /* intervals at the start that are folded already */
	size_t n_unfolded;  /* intervals after them that are still to be folded, an even number */
	size_t n_bytes;     /* total size of the packed histograms */
	size_t n_bytes_max; /* TIME_SERIES_BYTES_MAX; tests set a smaller one */
	uint64_t n_parts;   /* calls of recorder_add() per interval */

	/* The interval in progress: consists of n_pending calls so far, not packed yet. */
	uint64_t n_pending;
	struct time_series_interval pending;
	struct histogram response, service;
};

/* Makes an empty one; the caller must close it. Returns 0 or -ENOMEM. */
MUST_USE int recorder_open(struct recorder *ret_recorder);
void recorder_close(struct recorder *recorder);

/*
 * Adds the result of an interval, which the caller owns. Intervals must be added in order. Returns
 * 0, or -ENOMEM, which must end the measurement.
 */
MUST_USE int recorder_add(struct recorder *recorder, uint64_t start_ns, uint64_t length_ns,
			  const struct result *interval);

/*
 * Ends the recording; the caller must close *ret_series. All intervals have the same length, except
 * if those given to recorder_add() had not. A last interval shorter than half of the one before is
 * added to that one. Only recorder_close() may follow. Returns 0 or -ENOMEM.
 */
MUST_USE int recorder_finish(struct recorder *recorder, struct time_series *ret_series);

#endif
