/* SPDX-License-Identifier: MIT */
/*
 * A run in pieces of time: what came back in each second of it.
 *
 * A message belongs to the interval in which it came back, or failed. Intervals follow each other,
 * in rising order and without overlapping; their sum is the run. Histograms are kept packed (the
 * string of report/hlog.h), for a run may be long: who looks at one unpacks it.
 */
#ifndef STATS_TIME_SERIES_H
#define STATS_TIME_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "stats/result.h"

struct time_series_interval {
	uint64_t start_ns;  /* since the measuring began */
	uint64_t length_ns; /* from there on */
	uint64_t n_echoes;
	uint64_t n_unfinished; /* in the histograms, with their age at the end of the run */
	uint64_t bytes_verified;
	uint64_t n_failures; /* of all kinds */
	char *response;      /* packed; NULL: nothing came back */
	char *service;       /* the same, from when it was sent */
};

/*
 * Maximum bytes of the packed histograms of a series, so that its document can be read again
 * (report/run_read.h): where there are more, neighbours are added. Wide distributions take 10 KiB
 * an interval, and up to 100.
 */
#define TIME_SERIES_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* A zeroed one is empty. */
struct time_series {
	struct time_series_interval *list;
	size_t n;
	uint64_t interval_ns; /* of a sum: its intervals are made for this length; 0: not a sum */
};

/* Bytes of the packed histograms of an interval. */
size_t time_series_interval_bytes(const struct time_series_interval *interval);

/* Frees it; a closed one may be closed again. */
void time_series_close(struct time_series *series);

/*
 * Whoever makes a series of a measurement. It is told of each interval when that is over, in order:
 * `part` is what counts in it, and is the teller's. Returns 0 or a negative code, with which the
 * measurement cannot go on.
 */
struct interval_sink {
	int (*keep)(void *sink, uint64_t start_ns, uint64_t length_ns, const struct result *part);
	void *sink; /* the first argument */
};

#endif
