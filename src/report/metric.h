/* SPDX-License-Identifier: MIT */
/*
 * The figures of runs by their names, and what one or several runs say of them.
 *
 *	p99 p99.9 ... min mean max      of the response times
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
	METRIC_COUNT, /* of a run */
	METRIC_BYTES, /* the same */
};

struct metric {
	char name[METRIC_NAME_SIZE];
	enum metric_kind kind;
	size_t times;   /* of a time: where its histogram is in a struct result */
	int figure;     /* which of the times, or which of the counts: metric.c's affair */
	double percent; /* of a percentile */
};

/* Finds the metric of n characters; false: there is none of that name. */
MUST_USE bool metric_find(const char *name, size_t n, struct metric *ret_metric);

/* ---- the runs of one side of a comparison ---- */

/*
 * One run, or several that are repetitions of one: times are those of all their values together, a
 * rate is that of all their time, a count is that of a run on the average. The runs are not owned.
 */
struct sample {
	const struct run *runs;
	size_t n;
	struct result sum;
};

/*
 * *ret_side is the caller's, to be closed. There is at least one. Returns 0, -ENOMEM, or
 * -EBADMSG with a sentence: they are more than can be counted.
 */
MUST_USE int sample_open(const struct run *runs, size_t n, struct sample *ret_side,
			 struct run_refusal *reterr_why);
void sample_close(struct sample *sample);

struct sample_value {
	double value;
	double least, most; /* of its single runs */
};

/* False: a run of that side does not know it. */
MUST_USE bool sample_value(const struct sample *sample, const struct metric *metric,
			   struct sample_value *ret_value);

/* Is it a figure of how much failed: any but times, rate, echoes and unfinished? */
bool metric_is_of_failures(const struct metric *metric);

/* Do both have several runs, and no run of one is like any of the other? */
bool sample_is_beyond_noise(const struct sample *a, const struct sample_value *of_a,
			    const struct sample *b, const struct sample_value *of_b);

/* ---- in words ---- */

struct metric_text {
	char text[40];
};

/* "123.4 us", "10000.0/s", "3", "4.0 KiB" */
struct metric_text metric_text(const struct metric *metric, double value);

/* "+12.3 %", or "" of nothing. */
struct metric_text metric_change(double from, double to);

#endif
