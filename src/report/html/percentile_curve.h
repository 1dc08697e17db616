/* SPDX-License-Identifier: MIT */
/*
 * The curve of a histogram: which value each percentile is, as the corners of a staircase.
 *
 * Stairs, not slopes: a percentile is one of the values that there were. Of a million of them the
 * steps are finer than can be seen; corners that are not are left out.
 */
#ifndef REPORT_HTML_PERCENTILE_CURVE_H
#define REPORT_HTML_PERCENTILE_CURVE_H

#include <stddef.h>

#include "stats/histogram.h"
#include "report/html/scale.h"

/* A drawing is so wide and high; x to the right, y downwards. */
#define CURVE_EXTENT 1000.0

/* Each is a unit to the right of the one before, or two above it. */
#define CURVE_POINTS_MAX 1536

struct curve_point {
	double x, y; /* from the corner before: first across to x, then up to y */
};

/*
 * The corners, rising, of a histogram that has values; the first is its smallest value, the last
 * its largest. Returns how many there are, 2 at least.
 */
size_t curve_corners(const struct histogram *histogram, const struct scale *percentiles,
		     const struct scale *times, struct curve_point corners[CURVE_POINTS_MAX]);

/* How many decades of percentiles n values tell apart: where their curve ends. */
double curve_end(uint64_t n);

#endif
