/* SPDX-License-Identifier: MIT */
/*
 * Which figures of a histogram of times are reported, and the same as JSON.
 */
#ifndef REPORT_LATENCY_JSON_H
#define REPORT_LATENCY_JSON_H

#include <jansson.h>

#include "stats/histogram.h"

#define LATENCY_PERCENTILES 5

struct latency_percentile {
	const char *name; /* "p99.9" */
	double percent;
};

/* In rising order; the smallest, the mean and the largest stand beside them. */
extern const struct latency_percentile latency_percentiles[LATENCY_PERCENTILES];

/* An object of microseconds, null where there are none. A new reference; NULL: no memory. */
json_t *latency_json(const struct histogram *times);

#endif
