/* SPDX-License-Identifier: MIT */
/*
 * Which figures of a histogram of times are reported, and the same as JSON.
 */
#ifndef REPORT_TIMES_H
#define REPORT_TIMES_H

#include <jansson.h>

#include "stats/histogram.h"

#define TIMES_PERCENTILES 5

struct times_percentile {
	const char *name; /* "p99.9" */
	double percent;
};

/* In rising order; the smallest, the mean and the largest stand beside them. */
extern const struct times_percentile times_percentiles[TIMES_PERCENTILES];

/* An object of microseconds, null where there are none. A new reference; NULL: no memory. */
json_t *times_json(const struct histogram *times);

#endif
