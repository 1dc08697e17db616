/* SPDX-License-Identifier: MIT */
/*
 * Sums of what the threads of a load found besides their results, added once they have ended: when
 * the load ended, and whether the client was the limit.
 */
#ifndef CLIENT_LOAD_LOAD_SUM_H
#define CLIENT_LOAD_LOAD_SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "client/bottleneck.h"
#include "client/kernel_view.h"
#include "client/load/load.h"
#include "client/mismatch.h"
#include "stats/result.h"

/* Zeroed: no thread added yet. */
struct load_sum {
	/*
	 * Latest time over all threads: message begun, message back, end of measuring, end of the
	 * thread.
	 */
	uint64_t last_begun_ns, last_back_ns, end_ns, ended_ns;
	struct bottleneck_usage use;
	struct kernel_view kernel;
	struct mismatch_evidence *wrong; /* earliest evidence, owned by its thread; NULL: none */
};

/* Adds a thread that has ended. */
void load_sum_add(struct load_sum *sum, struct load *load);

/* Adds the gaps seen by the main thread, which only checks whether the process was stopped. */
void load_sum_add_watch(struct load_sum *sum, const struct bottleneck_usage *watch);

/* Returns the time from begin_ns to moment_ns; 0 if moment_ns is earlier. */
static inline uint64_t load_sum_since(uint64_t begin_ns, uint64_t moment_ns)
{
	return moment_ns > begin_ns ? moment_ns - begin_ns : 0;
}

/*
 * Returns the time in which messages began, which is the divisor of the echo rate. It ends with the
 * duration, or with the signal that interrupted the run, even if the slowest reply came later. If
 * the server of an open loop could not keep up, due messages began later, and it ends with the last
 * of these.
 */
uint64_t load_sum_elapsed_ns(const struct load_sum *sum, const struct load_plan *plan,
			     bool is_interrupted);

/* Writes why the client was the limit, or "". result: sum over all threads. */
void load_sum_check_client(const struct load_sum *sum, bool is_open, const struct result *result,
			   char text[BOTTLENECK_SIZE]);

#endif
