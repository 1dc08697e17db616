/* SPDX-License-Identifier: MIT */
/*
 * Merges runs: of several generators at the same time, of runs one after the other, or both.
 *
 * Counts and histograms are added, and nothing is averaged: percentiles of the sum are those of all
 * its values. Its elapsed time is the time in which at least one run ran, without pauses. So the
 * rates of simultaneous runs add up, and those of consecutive runs do not. Connections, threads and
 * wanted rates are the maximum at one time.
 *
 * Order and grouping do not matter: a sum of sums is the sum of all runs (report/run_parts.h).
 */
#ifndef REPORT_RUN_MERGE_H
#define REPORT_RUN_MERGE_H

#include <stddef.h>

#include "base/compiler.h"
#include "report/run.h"
#include "report/run_read.h"

/*
 * Checks that runs can be merged: same command, mode, size, depth and churn, and no run occurs
 * twice, also within a sum. Returns 0, -ENOMEM, or -EBADMSG with a sentence.
 */
MUST_USE int run_merge_check(const struct run *runs, size_t n, struct run_refusal *reterr_why);

/*
 * Adds the result of a run to a sum, as result_add(). Returns 0, or -EBADMSG with a sentence and
 * nothing added: a count would overflow, or there are too many kinds of failures.
 */
MUST_USE int run_merge_result(struct result *sum, const struct run *run,
			      struct run_refusal *reterr_why);

/*
 * Merges n runs, at least one. Facts that differ are left out, except that hosts and targets are
 * listed. The caller must close *ret_sum, which has no name. Returns 0, -ENOMEM, or -EBADMSG with a
 * sentence: the runs do not fit together, a start or exact counts are missing, a count would
 * overflow, or the runs span more than a hundred years.
 */
MUST_USE int run_merge(const struct run *runs, size_t n, struct run *ret_sum,
		       struct run_refusal *reterr_why);

#endif
