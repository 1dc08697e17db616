/* SPDX-License-Identifier: MIT */
/*
 * The course of a run as it is drawn: its series in so few pieces as can be told apart, each with
 * its rates, its percentiles, and how often which time was. Where nothing was measured, between two
 * runs of a sum, there is no piece: none reaches over a pause that can be seen.
 */
#ifndef REPORT_HTML_TIMELINE_H
#define REPORT_HTML_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/histogram.h"
#include "stats/time_series.h"
#include "report/hlog.h"

/* Pieces of a course; of more intervals, those within the same part of the time are added. */
#define TIMELINE_PIECES_MAX 240

/* Times are counted in rows of equal height on a logarithmic scale, from 1 ns to 10^13 ns. */
#define TIMELINE_ROWS_PER_DECADE 40
#define TIMELINE_ROWS            ((size_t)13 * TIMELINE_ROWS_PER_DECADE)

struct timeline_slice {
	double start_s, end_s;
	double measured_s; /* of that time: less where there was a pause too short to be seen */
	uint64_t n_echoes, n_failures;
	uint64_t p50_ns, p99_ns, max_ns; /* of response; nothing without echoes */
	uint64_t rows[TIMELINE_ROWS];    /* responses in each */
};

struct timeline {
	size_t n;   /* pieces; 0: nothing is known */
	size_t sum; /* intervals in each, at most */
	struct timeline_slice *pieces;
};

/*
 * *ret_course is the caller's, to be closed. The histogram is for the work, and reset. Returns 0,
 * -ENOMEM, or what hlog_decode() says of a string in the series.
 */
MUST_USE int timeline_open(const struct time_series *series, struct hlog *hlog,
			   struct histogram *work, struct timeline *ret_course);

/* Frees it; a zeroed one is closed already. */
void timeline_close(struct timeline *timeline);

/* Where it ends, in seconds; 0 if nothing is known. */
double timeline_end_s(const struct timeline *timeline);

/* Echoes per second, failures per second of a piece; 0 where nothing was measured. */
double timeline_rate(const struct timeline_slice *piece);
double timeline_failure_rate(const struct timeline_slice *piece);

#endif
