/* SPDX-License-Identifier: MIT */
/*
 * Counts, durations and sizes as people write and read them.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * Reads a whole decimal number: digits only, no sign, no space.
 * Returns 0, ERR_NOT_A_NUMBER or ERR_OUT_OF_RANGE (beyond 64 bits).
 */
MUST_USE int units_parse_count(const char *text, uint64_t *ret_count);

/*
 * Reads a duration: a number, with a decimal fraction if need be, and one of the units ns, us, ms,
 * s, m, h. Without a unit it is in seconds, as for sleep(1); "off" is 0.
 * Returns 0, ERR_NOT_A_NUMBER, ERR_BAD_UNIT or ERR_OUT_OF_RANGE (beyond a hundred years).
 */
MUST_USE int units_parse_duration(const char *text, uint64_t *ret_ns);

/*
 * Read a number of bytes, "64", "4k", "1M", "2G", in powers of 1024; and a rate per second, "500",
 * "10k", "1M", in powers of 1000. Return 0, ERR_NOT_A_NUMBER, ERR_BAD_MULTIPLE or ERR_OUT_OF_RANGE
 * (beyond 64 bits).
 */
MUST_USE int units_parse_size(const char *text, uint64_t *ret_bytes);
MUST_USE int units_parse_rate(const char *text, uint64_t *ret_per_second);

struct units_text {
	char text[32];
};

/* A duration in its largest unit that shows it without loss: "250ms", "10s", "90s", "0s". */
struct units_text units_duration(uint64_t ns);

/* A number of bytes to three digits or so: "512 B", "4.0 KiB", "1.5 MiB". Powers of 1024. */
struct units_text units_bytes(uint64_t bytes);

#endif
