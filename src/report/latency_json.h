/* SPDX-License-Identifier: MIT */
/*
 * Which percentiles of a histogram are reported, and their JSON form.
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

/* In rising order. Reports also have minimum, mean and maximum. */
extern const struct latency_percentile latency_percentiles[LATENCY_PERCENTILES];

/*
 * Returns an object in microseconds, null if the histogram is empty. A new reference; NULL: out of
 * memory.
 */
json_t *latency_json(const struct histogram *times);

#endif
