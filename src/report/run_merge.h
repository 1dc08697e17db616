/* SPDX-License-Identifier: MIT */
/*
 * The sum of runs: of several generators that ran together, of runs one after the other, or both.
 *
 * Counts and histograms are added, and no figure is averaged: percentiles of the sum are those of
 * all its values. Its time is the time in which at least one of the runs ran, without the pauses
 * between them: rates of runs that ran together add up, those of runs one after the other do not.
 * Connections, threads and wanted rates are the maximum that ran at the same time.
 *
 * Order and grouping do not matter: a sum of sums is the sum of their runs (report/run_id.h).
 */
#ifndef REPORT_RUN_MERGE_H
#define REPORT_RUN_MERGE_H

#include <stddef.h>

#include "base/compiler.h"
#include "report/run.h"
#include "report/run_read.h"

/*
 * Do they fit together, by what was run: the command, the mode, the size, the depth, the churn?
 * And is none of them there twice, within a sum either? Returns 0, -ENOMEM, or -EBADMSG with a
 * sentence.
 */
MUST_USE int run_merge_check(const struct run *runs, size_t n, struct run_refusal *reterr_why);

/*
 * Adds what a run found to a sum, as result_add() does. Returns 0, or -EBADMSG with a sentence and
 * nothing added: a count would be too large, or kinds of failures too many.
 */
MUST_USE int run_merge_result(struct result *sum, const struct run *run,
			      struct run_refusal *reterr_why);

/*
 * Adds n runs, at least one. Facts that they do not share are left out, but that hosts and targets
 * are listed. *ret_sum is the caller's, to be closed, and has no name. Returns 0, -ENOMEM, or
 * -EBADMSG with a sentence: they do not fit together, are no runs of which every count and the
 * start is known, are more than can be counted, or more than a hundred years apart.
 */
MUST_USE int run_merge(const struct run *runs, size_t n, struct run *ret_sum,
		       struct run_refusal *reterr_why);

#endif
