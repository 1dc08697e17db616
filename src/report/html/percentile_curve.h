/* SPDX-License-Identifier: MIT */
/*
 * The percentile curve of a histogram, as the corners of a staircase.
 *
 * It has steps, because a percentile is one of the recorded values. With a million values, steps
 * are too small to be seen; corners that cannot be seen are left out.
 */
#ifndef REPORT_HTML_PERCENTILE_CURVE_H
#define REPORT_HTML_PERCENTILE_CURVE_H

#include <stddef.h>

#include "report/html/plot.h"
#include "report/html/scale.h"
#include "stats/histogram.h"

/* Each point is at least one unit to the right of the one before, or two above it. */
#define CURVE_POINTS_MAX 1536

struct curve_point {
	/*
	 * In units of PLOT_EXTENT; x goes right, y goes down. From the previous corner the line
	 * goes right to x, then up to y.
	 */
	double x, y;
};

/*
 * Computes the corners of a non-empty histogram, rising. The first is the minimum, the last the
 * maximum. Returns their number, at least 2.
 */
size_t curve_corners(const struct histogram *histogram, const struct scale *percentiles,
		     const struct scale *times, struct curve_point corners[CURVE_POINTS_MAX]);

/*
 * Returns the number of decades of percentiles that n values can distinguish: the end of the curve.
 */
double curve_end(uint64_t n);

#endif
