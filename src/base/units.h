/* SPDX-License-Identifier: MIT */
/*
 * Counts, durations, sizes and moments as people write and read them.
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

/*
 * Reads a moment, as nanoseconds since 1970 (UTC): "2026-11-26T12:00:00Z" (RFC 3339, with a
 * fraction and any offset), "@1795694400" (seconds since 1970, with a fraction) or "+5s" (so long
 * after now_ns). A second of 60, which is a leap second, is the first of the next minute.
 * Returns 0; ERR_BAD_MOMENT; ERR_OUT_OF_RANGE (no such day or hour, before 1970, after 2500); or
 * what units_parse_duration() says of a duration.
 */
MUST_USE int units_parse_moment(const char *text, uint64_t now_ns, uint64_t *ret_ns);

struct units_text {
	char text[32];
};

/* A moment to the nanosecond, up to 2500: "2026-11-26T12:00:00.000000000Z". */
struct units_text units_moment(uint64_t ns);

/* A number of things, for a noun whose plural ends in s: "0 clients", "1 client", "2 clients". */
struct units_text units_count(uint64_t n, const char *noun);

/* A duration in its largest unit that shows it without loss: "250ms", "10s", "90s", "0s". */
struct units_text units_duration(uint64_t ns);

/* Ending of a regular noun behind a count: "" of 1, else "s". */
static inline const char *units_s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* A number of bytes to three digits or so: "512 B", "4.0 KiB", "1.5 MiB". Powers of 1024. */
struct units_text units_bytes(uint64_t bytes);

#endif
