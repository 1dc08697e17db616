/* SPDX-License-Identifier: MIT */
/*
 * The runs that a sum is of: so that none is added to it again, and what of the sum follows from
 * all of them together.
 *
 * The id of a run is made of what no two runs share: the host, the start, the seed, the elapsed
 * time and every count of its response times. A sum has the parts of all its runs, and its document
 * too. Earlier versions wrote no parts: then the sum counts as one run. Or they wrote the ids
 * alone: then the first part has the facts of the whole sum.
 */
#ifndef REPORT_RUN_ID_H
#define REPORT_RUN_ID_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "report/run.h"
#include "report/run_read.h"

/* Maximum runs of one sum. */
#define RUN_PARTS_MAX 100000

/* The id of a run that is no sum. */
uint64_t run_part_id(const struct run *run);

/*
 * The parts of n runs. *ret_parts is the caller's, to be closed. Returns 0, -ENOMEM, or -EBADMSG
 * with a sentence: a run is in it twice, or there are too many.
 */
MUST_USE int run_id_set_join(const struct run *runs, size_t n, struct run_parts *ret_parts,
			     struct run_refusal *reterr_why);

/* Frees the parts; closed ones may be closed again. */
void run_id_set_close(struct run_parts *parts);

/*
 * When the first of them began, and the time in which at least one of them ran: pauses between them
 * do not count. Returns 0 or -ENOMEM.
 */
MUST_USE int run_id_set_elapsed_ns(const struct run_parts *parts, uint64_t *ret_start_ns,
				   uint64_t *ret_elapsed_ns);

/*
 * Sets the connections, threads and wanted rate of a run to the maximum that its parts had at the
 * same time. Returns 0 or -ENOMEM.
 */
MUST_USE int run_id_set_count_together(struct run *run);

/*
 * Sets the hosts, the targets, what limited the client and whether a run was interrupted, by the
 * parts. Returns 0 or -ENOMEM.
 */
MUST_USE int run_id_set_list_facts(struct run *run);

#endif
