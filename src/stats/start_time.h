/* SPDX-License-Identifier: MIT */
/*
 * When a run was to begin, whether it did, and how far the clock that said so can be trusted: runs
 * of several machines that were to begin together did so no better than their clocks agree.
 */
#ifndef STATS_START_TIME_H
#define STATS_START_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct start_time {
	uint64_t wanted_ns;       /* since the epoch; 0: none was asked for */
	uint64_t late_ns;         /* it began so long after that */
	bool is_clock_known;      /* is the next? */
	struct clock_trust clock; /* on the wall, when it began */
};

#endif
