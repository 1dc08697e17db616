/* SPDX-License-Identifier: MIT */
/*
 * The planned start of a run, how late it began, and how accurate the wall clock was. Runs of
 * several machines start together only as exactly as their clocks agree.
 */
#ifndef STATS_START_TIME_H
#define STATS_START_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct start_time {
	uint64_t wanted_ns;       /* since 1970; 0: no start time was given */
	uint64_t late_ns;         /* how much later the run began */
	bool is_clock_known;      /* whether `clock` is known */
	struct clock_trust clock; /* the wall clock when the run began */
};

#endif
