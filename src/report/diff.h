/* SPDX-License-Identifier: MIT */
/*
 * Compares two sides of runs.
 */
#ifndef REPORT_DIFF_H
#define REPORT_DIFF_H

#include <stdio.h>

#include "base/compiler.h"
#include "report/metric.h"
#include "report/threshold.h"

/*
 * Writes a table with each metric that a side knows, its change, and whether it differs beyond the
 * noise. "Beyond the noise" needs several runs per side: no run of one side is within the range of
 * the other. Above the table are the caveats of each run and the parameters that differ. Times of a
 * side with failures are marked. Write errors stay in `out`.
 */
void diff_write_text(FILE *out, const struct sample *before, const struct sample *after);

/* A judged threshold. The sentence is empty if it holds. */
struct diff_limit {
	const struct threshold *threshold;
	enum threshold_verdict verdict;
	struct threshold_text sentence;
};

/*
 * Writes the same as a JSON document, with the verdict on each threshold. Write errors stay in
 * `out`. Returns 0 or -ENOMEM.
 */
MUST_USE int diff_write_json(FILE *out, const struct sample *before, const struct sample *after,
			     const struct diff_limit *limits, size_t n_limits);

#endif
