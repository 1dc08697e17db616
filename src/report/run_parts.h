/* SPDX-License-Identifier: MIT */
/*
 * The parts of a sum: the runs that it consists of. They prevent that a run is added twice, and the
 * facts of a sum are computed from all of them.
 *
 * The id of a run is a hash of values that no two runs share: host, start, seed, elapsed time and
 * all counts of the response times. A sum, and its document, has the parts of all its runs.
 * Documents of earlier versions have no parts; then the sum counts as one run. Or they have only
 * the ids; then the first part has the facts of the whole sum.
 */
#ifndef REPORT_RUN_PARTS_H
#define REPORT_RUN_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "report/run.h"
#include "report/run_read.h"

/* Maximum number of runs in a sum. */
#define RUN_PARTS_MAX 100000

/* Returns the id of a run that is not a sum. */
uint64_t run_part_id(const struct run *run);

/*
 * Joins the parts of n runs; the caller must close *ret_parts. Returns 0, -ENOMEM, or -EBADMSG with
 * a sentence: a run occurs twice, or there are too many.
 */
MUST_USE int run_parts_join(const struct run *runs, size_t n, struct run_parts *ret_parts,
			    struct run_refusal *reterr_why);

/* Frees the parts. Closed parts may be closed again. */
void run_parts_close(struct run_parts *parts);

/*
 * Computes the earliest start, and the time in which at least one run ran, without the pauses
 * between runs. Returns 0 or -ENOMEM.
 */
MUST_USE int run_parts_elapsed_ns(const struct run_parts *parts, uint64_t *ret_start_ns,
				  uint64_t *ret_elapsed_ns);

/*
 * Sets connections, threads and wanted rate of a run to the maximum that its parts had at the same
 * time. Returns 0 or -ENOMEM.
 */
MUST_USE int run_parts_set_peaks(struct run *run);

/*
 * Sets hosts, targets, client_bound and is_interrupted of a run from its parts. Returns 0 or
 * -ENOMEM.
 */
MUST_USE int run_parts_set_facts(struct run *run);

#endif
