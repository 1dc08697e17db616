/* SPDX-License-Identifier: MIT */
/*
 * Standard deviation of times, exact to the nanosecond, from the sums of the times and of their
 * squares.
 */
#ifndef STATS_DEVIATION_H
#define STATS_DEVIATION_H

#include <stdint.h>

/* Zeroed, it contains no times. */
struct deviation {
	uint64_t n;
	__extension__ unsigned __int128 sum, square_sum;
};

void deviation_add(struct deviation *deviation, uint64_t ns);

/* Returns the standard deviation of the times in ns; 0 if there are no times. */
uint64_t deviation_ns(const struct deviation *deviation);

#endif
