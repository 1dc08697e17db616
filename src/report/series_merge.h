/* SPDX-License-Identifier: MIT */
/*
 * One series of several, laid beside each other by when they began.
 */
#ifndef REPORT_SERIES_MERGE_H
#define REPORT_SERIES_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/series.h"

/* Intervals of a sum at most: an hour of seconds, or of twos, of fours, ... */
#define SERIES_MERGE_MOST 3600

struct series_part {
	const struct series *series;
	uint64_t start_ns; /* of this series, since that of the sum */
};

/*
 * Adds n series. Time is cut in pieces as long as the longest intervals that most of them have, and
 * an interval goes whole to the piece that its middle lies in, for its values cannot be told apart:
 * what came back stands at most half an interval from where it was. *ret_series is the caller's, to
 * be closed. Returns 0, -ENOMEM, or what hlog_decode() says of a series that was made up.
 */
MUST_USE int series_merge(const struct series_part *parts, size_t n, struct series *ret_series);

#endif
