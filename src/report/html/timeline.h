/* SPDX-License-Identifier: MIT */
/*
 * The timeline of a run for drawing: its series in as many slices as can be distinguished, each
 * with rates, percentiles and the distribution of times. There is no slice for a pause between two
 * runs of a sum, and no slice covers a visible pause.
 */
#ifndef REPORT_HTML_TIMELINE_H
#define REPORT_HTML_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/hlog.h"
#include "stats/histogram.h"
#include "stats/time_series.h"

/* Maximum number of slices. If there are more intervals, those in the same slice are added. */
#define TIMELINE_SLICES_MAX 240

/* Times are counted in rows of equal height on a logarithmic scale, from 1 ns to 10^13 ns. */
#define TIMELINE_ROWS_PER_DECADE 40
#define TIMELINE_ROWS            ((size_t)13 * TIMELINE_ROWS_PER_DECADE)

struct timeline_slice {
	double start_s, end_s;
	/* measured time in the slice: shorter if it contains a pause too short to be seen */
	double measured_s;
	uint64_t n_echoes, n_failures;
	uint64_t p50_ns, p99_ns, max_ns; /* response times; undefined without echoes */
	uint64_t rows[TIMELINE_ROWS];    /* number of responses per row */
};

struct timeline {
	size_t n;   /* number of slices; 0: nothing is known */
	size_t sum; /* maximum number of intervals per slice */
	struct timeline_slice *slices;
};

/*
 * Makes a timeline; the caller must close *ret_timeline. `work` is a scratch histogram, which is
 * reset. Returns 0, -ENOMEM, or the error of hlog_decode() for a string in the series.
 */
MUST_USE int timeline_open(const struct time_series *series, struct hlog *hlog,
			   struct histogram *work, struct timeline *ret_timeline);

/* Frees it. A zeroed timeline is closed. */
void timeline_close(struct timeline *timeline);

/* Returns its end in seconds; 0 if nothing is known. */
double timeline_end_s(const struct timeline *timeline);

/* Return the echoes and failures per second of a slice; 0 if nothing was measured. */
double timeline_rate(const struct timeline_slice *slice);
double timeline_failure_rate(const struct timeline_slice *slice);

#endif
