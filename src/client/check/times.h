/* SPDX-License-Identifier: MIT */
/*
 * A few round-trip times, for a median.
 */
#ifndef CLIENT_CHECK_TIMES_H
#define CLIENT_CHECK_TIMES_H

#include <stddef.h>
#include <stdint.h>

#define TIMES_MAX 1024

/* Zeroed: empty. */
struct times {
	size_t n;
	uint64_t ns[TIMES_MAX];
};

/* Adds a time, if there is room. */
void times_add(struct times *times, uint64_t ns);

/* Returns the median, or the value below which a part of the times are; 0 without a time. */
uint64_t times_median(struct times *times);
uint64_t times_percentile(struct times *times, unsigned int percent);

/* Returns how many times are from `from_ns` to `to_ns`. */
size_t times_count(const struct times *times, uint64_t from_ns, uint64_t to_ns);

/* A time for a sentence: "34 us", "1.2 ms", "3.4 s". */
struct times_text {
	char text[32];
};
struct times_text times_text(uint64_t ns);

#endif
