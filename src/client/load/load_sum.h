/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a load found besides their results, added up once they have ended: when it
 * was over, and whether the client was the limit.
 */
#ifndef CLIENT_LOAD_LOAD_SUM_H
#define CLIENT_LOAD_LOAD_SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "stats/result.h"
#include "client/kernel_view.h"
#include "client/load/load.h"
#include "client/own_limit.h"
#include "client/mismatch.h"

/* A zeroed one is that of no thread. */
struct load_sum {
	/* The latest of all: message begun, message back, end of the schedule, end of a thread. */
	uint64_t last_begun_ns, last_back_ns, end_ns, ended_ns;
	struct own_use use;
	struct kernel_view kernel;
	struct mismatch_evidence *wrong; /* the first of all, of its thread; NULL: none */
};

/* Adds a thread that has ended. */
void load_sum_add(struct load_sum *sum, struct load *load);

/* Adds what a thread saw that only watches whether the process stands still. */
void load_sum_add_watch(struct load_sum *sum, const struct own_use *watch);

/* Time from one moment to another; 0 if that was earlier. */
static inline uint64_t load_sum_since(uint64_t begin_ns, uint64_t moment_ns)
{
	return moment_ns > begin_ns ? moment_ns - begin_ns : 0;
}

/*
 * The time in which messages began, by which the echoes are divided. It ends with the duration or
 * the signal that interrupted the run, whatever the slowest reply took; but where the server of an
 * open loop could not keep up, what was due began later, and it ends with the last of that.
 */
uint64_t load_sum_elapsed_ns(const struct load_sum *sum, const struct load_plan *plan,
			     bool is_interrupted);

/* Writes why the client was the limit, or "". result: of all threads. */
void load_sum_judge_client(const struct load_sum *sum, bool is_open, const struct result *result,
			   char text[OWN_LIMIT_SIZE]);

#endif
