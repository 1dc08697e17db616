/* SPDX-License-Identifier: MIT */
/*
 * A time series: the results of a run per interval, normally one second.
 *
 * A message belongs to the interval in which it came back or failed. Intervals are in rising order
 * and do not overlap. Their sum is the run. Histograms are stored packed (the string of
 * stats/hlog.h), because a run may be long; unpack one to read it.
 */
#ifndef STATS_TIME_SERIES_H
#define STATS_TIME_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "stats/result.h"

struct time_series_interval {
	uint64_t start_ns; /* since the start of the measurement */
	uint64_t length_ns;
	uint64_t n_echoes;
	/* included in the histograms, with their age at the end of the run */
	uint64_t n_unfinished;
	uint64_t bytes_verified;
	uint64_t n_failures; /* failures of all kinds */
	char *response;      /* packed response times; NULL: nothing came back */
	char *service;       /* packed service times */
};

/*
 * Maximum size of all packed histograms of a series, in bytes, so that its document can be read
 * again (report/run_read.h). If there are more, neighbouring intervals are added. Wide
 * distributions take 10 KiB per interval, at most 100.
 */
#define TIME_SERIES_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* A zeroed one is empty. */
struct time_series {
	struct time_series_interval *list;
	size_t n;
	/* for a merged series: the length its intervals are made for; 0: not merged */
	uint64_t interval_ns;
};

/* Returns the size of the packed histograms of an interval, in bytes. */
size_t time_series_interval_bytes(const struct time_series_interval *interval);

/* Frees it. A closed series may be closed again. */
void time_series_close(struct time_series *series);

#endif
