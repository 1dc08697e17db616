/* SPDX-License-Identifier: MIT */
/*
 * Metrics of runs by name, and their values over one or several runs.
 *
 *	p99 p99.9 ... min mean max      response times
 *	service.p99 connect.p50 lateness.max ...
 *	rate echoes unfinished failures connection_errors mismatches wrong_bytes missing_bytes
 */
#ifndef REPORT_METRIC_H
#define REPORT_METRIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "report/run.h"
#include "report/run_read.h"

#define METRIC_NAME_SIZE 32

enum metric_kind {
	METRIC_TIME,  /* nanoseconds */
	METRIC_RATE,  /* echoes per second */
	METRIC_COUNT, /* per run */
	METRIC_BYTES, /* per run */
};

struct metric {
	char name[METRIC_NAME_SIZE];
	enum metric_kind kind;
	size_t times;   /* offset of the histogram in struct result */
	int figure;     /* which figure of the histogram, or which count: private to metric.c */
	double percent; /* for a percentile */
};

/* Finds a metric by its name of n characters. Returns false if unknown. */
MUST_USE bool metric_find(const char *name, size_t n, struct metric *ret_metric);

/* ---- the runs of one side of a comparison ---- */

/*
 * One run, or several repetitions of one: times are those of all values together, a rate is that of
 * the total time, a count is the average per run. The sample does not own the runs.
 */
struct sample {
	const struct run *runs;
	size_t n;
	struct result sum;
};

/*
 * Opens a sample of n runs, at least one; the caller must close *ret_sample. Returns 0, -ENOMEM, or
 * -EBADMSG with a sentence if a sum is too large.
 */
MUST_USE int sample_open(const struct run *runs, size_t n, struct sample *ret_sample,
			 struct run_refusal *reterr_why);
void sample_close(struct sample *sample);

struct sample_value {
	double value;
	double min, max; /* range over the single runs */
};

/* Computes a metric. Returns false if a run of the sample does not know it. */
MUST_USE bool sample_value(const struct sample *sample, const struct metric *metric,
			   struct sample_value *ret_value);

/* Returns whether the metric counts failures: all except times, rate, echoes and unfinished. */
bool metric_is_of_failures(const struct metric *metric);

/* Returns whether both have several runs and their ranges do not overlap. */
bool sample_is_beyond_noise(const struct sample *a, const struct sample_value *of_a,
			    const struct sample *b, const struct sample_value *of_b);

/* ---- formatting ---- */

struct metric_text {
	char text[40];
};

/* Formats a value: "123.4 us", "10000.0/s", "3", "4096 B". */
struct metric_text metric_text(const struct metric *metric, double value);

/* Formats a change: "+12.3 %", or "" if `from` is 0. */
struct metric_text metric_change(double from, double to);

#endif
