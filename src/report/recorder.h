/* SPDX-License-Identifier: MIT */
/*
 * Makes the series of a measurement while it goes on (stats/time_series.h, struct interval_sink).
 *
 * Of a run that is longer than there is room for, or whose histograms are larger, neighbours are
 * added and new intervals are twice as long: two at a time, not all at once, for whoever measures
 * must not be kept from it.
 *
 *	1 1 1 1 1 1     full
 *	2 1 1 1 1 2     the first two are one, and so there is room for two seconds
 *	2 2 1 1 2 2
 *	2 2 2 2 2 2     full again, of twice the time
 */
#ifndef REPORT_RECORDER_H
#define REPORT_RECORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/histogram.h"
#include "stats/time_series.h"
#include "report/hlog.h"

/* An hour of seconds. */
#define RECORDER_INTERVALS_MAX 3600

struct recorder {
	struct hlog *hlog;
	struct time_series series; /* room for RECORDER_INTERVALS_MAX */
	size_t n_folded;           /* the first, which are two in one */
	size_t n_unfolded;         /* behind them, an even number: those that are to be folded */
	size_t n_bytes;            /* of all packed histograms */
	size_t n_bytes_max;        /* TIME_SERIES_BYTES_MAX; tests set a smaller one */
	uint64_t n_parts;          /* how many that it is told of are one interval */

	/* The interval that has begun: of so many parts, not packed yet. */
	uint64_t n_pending;
	struct time_series_interval pending;
	struct histogram response, service;
};

/* Makes an empty one, the caller's, to be closed. Returns 0 or -ENOMEM. */
MUST_USE int recorder_open(struct recorder *ret_recorder);
void recorder_close(struct recorder *recorder);

/* The keep() of a struct interval_sink; recorder: a struct recorder. Returns 0 or -ENOMEM. */
MUST_USE int recorder_keep(void *recorder, uint64_t start_ns, uint64_t length_ns,
			   const struct result *part);

/*
 * There is no more. *ret_series is the caller's: its intervals are of one length, but for where
 * what it was told of was not; the last is not shorter than half the one before, to which such a
 * rest is added. Only recorder_close() may follow. Returns 0 or -ENOMEM.
 */
MUST_USE int recorder_finish(struct recorder *recorder, struct time_series *ret_series);

#endif
