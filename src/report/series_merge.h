/* SPDX-License-Identifier: MIT */
/*
 * The sum of several series, by the time of day.
 */
#ifndef REPORT_SERIES_MERGE_H
#define REPORT_SERIES_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/time_series.h"

/* Maximum intervals of a sum: an hour of seconds, or of 2, 4, 8 ... seconds. */
#define SERIES_MERGE_MAX 3600

struct series_part {
	const struct time_series *series;
	uint64_t start_ns; /* when its run began, since the epoch */
};

/*
 * Adds n series, at least one. An interval is counted as beginning at the whole second in which it
 * began, and all that begin in the same 1, 2, 4 ... seconds are added: the values of an interval
 * cannot be told apart, so what came back stands less than a second from where it was. The length
 * is that of the part with the longest intervals, doubled until there are at most SERIES_MERGE_MAX.
 * So it does not matter in which order or groups series are added. The result begins with the part
 * that begins first. *ret_series is the caller's, to be closed. Returns 0, -ENOMEM, or what
 * hlog_decode() says of a series that was made up.
 */
MUST_USE int series_merge(const struct series_part *parts, size_t n,
			  struct time_series *ret_series);

#endif
