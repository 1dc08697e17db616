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
#ifndef REPORT_EXPECTATION_H
#define REPORT_EXPECTATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "report/metric.h"

#define EXPECTATION_SIZE 64

enum expectation_form { EXPECTATION_VALUE, EXPECTATION_MORE, EXPECTATION_PART };

struct expectation {
	char text[EXPECTATION_SIZE]; /* as it was written */
	struct metric metric;
	bool is_above; /* does it fail above the limit? */
	enum expectation_form form;
	double limit; /* a value, a difference of values, or a part: 0.1 */
};

struct expectation_text {
	char text[320];
};

/*
 * Reads n characters. Returns 0, or -EINVAL with a sentence of what is understood.
 */
MUST_USE int expectation_read(const char *text, size_t n, struct expectation *ret_expectation,
			      struct expectation_text *reterr_why);

enum expectation_verdict {
	EXPECTATION_HOLDS,
	EXPECTATION_FAILS,   /* the sentence says by what values */
	EXPECTATION_UNKNOWN, /* the sentence says which side does not know it */
};

/* Looks whether it fails. With EXPECTATION_HOLDS there is no sentence. */
enum expectation_verdict expectation_judge(const struct expectation *expectation,
					   const struct side *before, const struct side *after,
					   struct expectation_text *ret_text);

#endif
