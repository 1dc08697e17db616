/* SPDX-License-Identifier: MIT */
/*
 * Merges several time series by the time of day.
 */
#ifndef REPORT_SERIES_MERGE_H
#define REPORT_SERIES_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/time_series.h"

/* Maximum number of intervals in a merged series: one hour of intervals of 1, 2, 4, 8 ... s. */
#define SERIES_MERGE_MAX 3600

struct series_part {
	const struct time_series *series;
	uint64_t start_ns; /* start of the run, ns since 1970 */
};

/*
 * Merges n series, at least one. The start of each interval is rounded down to a whole second, and
 * all intervals that begin in the same 1, 2, 4 ... seconds are added. The values within an interval
 * have no times, so results are shifted by less than one second. The interval length is the longest
 * of all series, doubled until there are at most SERIES_MERGE_MAX intervals. So order and grouping
 * do not matter. The result begins with the earliest series. The caller must close *ret_series.
 * Returns 0, -ENOMEM, or an error of hlog_decode() for a series that was read from a file.
 */
MUST_USE int series_merge(const struct series_part *parts, size_t n,
			  struct time_series *ret_series);

#endif
