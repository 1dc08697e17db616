/* SPDX-License-Identifier: MIT */
/*
 * Which runs a sum is of, so that none is added to it again.
 *
 * A run is known by a number that is made of what no two runs share: the host, the start, the seed,
 * the time it took and every count of its response times. A sum has the numbers of all its runs,
 * and its document too. One of a version that did not write them counts as one run.
 */
#ifndef REPORT_RUN_PARTS_H
#define REPORT_RUN_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "report/run.h"
#include "report/run_read.h"

/* Numbers in one sum at most. */
#define RUN_PARTS_MOST 100000

/* The number of a run by itself. */
uint64_t run_part_id(const struct run *run);

/*
 * All numbers of n runs. *ret_parts is the caller's, its ids to be freed. Returns 0, -ENOMEM, or
 * -EBADMSG with a sentence: a run is there twice, or there are too many.
 */
MUST_USE int run_parts_join(const struct run *runs, size_t n, struct run_parts *ret_parts,
			    struct run_refusal *reterr_why);

#endif
