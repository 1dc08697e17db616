/* SPDX-License-Identifier: MIT */
/*
 * Thresholds of a comparison: `p99>+10%`.
 *
 *	METRIC>LIMIT METRIC<LIMIT    fails when the new value is above, below LIMIT
 *
 *	+10% -5%      relative to the old value
 *	+200us -1k    difference to the old value
 *	2ms 10k       absolute value
 *
 * Times have a unit. Rates and counts may have k, M or G after them, in powers of 1000.
 */
#ifndef REPORT_THRESHOLD_H
#define REPORT_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "report/metric.h"

#define THRESHOLD_SIZE 64

enum threshold_form { THRESHOLD_VALUE, THRESHOLD_DIFFERENCE, THRESHOLD_SHARE };

struct threshold {
	char text[THRESHOLD_SIZE]; /* as the user wrote it */
	struct metric metric;
	bool is_above; /* fails if the new value is above the limit; else if below */
	enum threshold_form form;
	double limit; /* value, difference, or share (0.1 for 10 %) */
};

struct threshold_text {
	char text[320];
};

/*
 * Parses a threshold of n characters. Returns 0, or -EINVAL with a sentence that says what is
 * valid.
 */
MUST_USE int threshold_parse(const char *text, size_t n, struct threshold *ret_threshold,
			     struct threshold_text *reterr_why);

enum threshold_verdict {
	THRESHOLD_HOLDS,
	THRESHOLD_FAILS,   /* the sentence has the values */
	THRESHOLD_UNKNOWN, /* the sentence names the side without this metric */
};

/* Judges a threshold. With THRESHOLD_HOLDS there is no sentence. */
enum threshold_verdict threshold_check(const struct threshold *threshold,
				       const struct sample *before, const struct sample *after,
				       struct threshold_text *ret_text);

#endif
