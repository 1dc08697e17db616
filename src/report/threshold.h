/* SPDX-License-Identifier: MIT */
/*
 * What a comparison must not find: `p99>+10%`.
 *
 *	METRIC>LIMIT METRIC<LIMIT    fails when the new value is above, below LIMIT
 *
 *	+10% -5%      a part of the old value, more or less than it
 *	+200us -1k    so much more or less than the old value
 *	2ms 10k       a value by itself
 *
 * Times have a unit, rates and counts may have k, M or G behind them, in powers of 1000.
 */
#ifndef REPORT_THRESHOLD_H
#define REPORT_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "report/metric.h"

#define THRESHOLD_SIZE 64

enum threshold_form { THRESHOLD_VALUE, THRESHOLD_MORE, THRESHOLD_PART };

struct threshold {
	char text[THRESHOLD_SIZE]; /* as it was written */
	struct metric metric;
	bool is_above; /* does it fail above the limit? */
	enum threshold_form form;
	double limit; /* a value, a difference of values, or a part: 0.1 */
};

struct threshold_text {
	char text[320];
};

/*
 * Reads n characters. Returns 0, or -EINVAL with a sentence of what is understood.
 */
MUST_USE int threshold_read(const char *text, size_t n, struct threshold *ret_expectation,
			    struct threshold_text *reterr_why);

enum threshold_verdict {
	THRESHOLD_HOLDS,
	THRESHOLD_FAILS,   /* the sentence says by what values */
	THRESHOLD_UNKNOWN, /* the sentence says which side does not know it */
};

/* Looks whether it fails. With THRESHOLD_HOLDS there is no sentence. */
enum threshold_verdict threshold_judge(const struct threshold *threshold,
				       const struct sample *before, const struct sample *after,
				       struct threshold_text *ret_text);

#endif
