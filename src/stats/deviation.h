/* SPDX-License-Identifier: MIT */
/*
 * Standard deviation of times, exact to the nanosecond: sums of the times and of their squares.
 */
#ifndef STATS_DEVIATION_H
#define STATS_DEVIATION_H

#include <stdint.h>

/* Zeroed, it has no times. */
struct deviation {
	uint64_t n;
	__extension__ unsigned __int128 sum, square_sum;
};

/* Adds a time. */
void deviation_add(struct deviation *deviation, uint64_t ns);

/* Returns the standard deviation of the times; 0 if there are none. */
uint64_t deviation_ns(const struct deviation *deviation);

#endif
