/* SPDX-License-Identifier: MIT */
/*
 * Parses and formats counts, durations, sizes and times of day for people.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * Parses a decimal number: digits only, no sign, no space. Returns 0, ERR_NOT_A_NUMBER or
 * ERR_OUT_OF_RANGE (more than 64 bits).
 */
MUST_USE int units_parse_count(const char *text, uint64_t *ret_count);

/*
 * Parses a duration: a number, which may have a decimal fraction, and one of the units ns, us, ms,
 * s, m, h. Without a unit it is in seconds, as for sleep(1); "off" is 0. Returns 0,
 * ERR_NOT_A_NUMBER, ERR_BAD_UNIT or ERR_OUT_OF_RANGE (more than a hundred years).
 */
MUST_USE int units_parse_duration(const char *text, uint64_t *ret_ns);

/*
 * Parse a number of bytes, "64", "4k", "1M", "2G", in powers of 1024, or a rate per second, "500",
 * "10k", "1M", in powers of 1000. Return 0, ERR_NOT_A_NUMBER, ERR_BAD_MULTIPLE or ERR_OUT_OF_RANGE
 * (more than 64 bits).
 */
MUST_USE int units_parse_size(const char *text, uint64_t *ret_bytes);
MUST_USE int units_parse_rate(const char *text, uint64_t *ret_per_second);

/*
 * Parses a point in time into ns since 1970 (UTC): "2026-11-26T12:00:00Z" (RFC 3339, with a
 * fraction and any offset), "@1795694400" (seconds since 1970, with a fraction) or "+5s" (5 s after
 * now_ns). A leap second (60) is the first second of the next minute. Returns 0; ERR_BAD_MOMENT;
 * ERR_OUT_OF_RANGE (no such day or hour, before 1970, after 2500); or an error of
 * units_parse_duration().
 */
MUST_USE int units_parse_timestamp(const char *text, uint64_t now_ns, uint64_t *ret_ns);

struct units_text {
	char text[32];
};

/* Formats ns since 1970: "2026-11-26T12:00:00.000000000Z". */
struct units_text units_timestamp(uint64_t ns);

/* Formats the same in whole seconds, for people: "2026-11-26 12:00:00 UTC". */
struct units_text units_utc(uint64_t ns);

/* Formats a count with a noun whose plural ends in s: "0 clients", "1 client", "2 clients". */
struct units_text units_count(uint64_t n, const char *noun);

/* Formats a duration in the largest unit that loses nothing: "250ms", "10s", "90s", "0s". */
struct units_text units_duration(uint64_t ns);

/* Returns the plural ending of a regular noun: "" for 1, else "s". */
static inline const char *units_s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/*
 * Formats a number of bytes with about three digits: "512 B", "4.0 KiB", "1.5 MiB". Powers of 1024.
 */
struct units_text units_bytes(uint64_t bytes);

#endif
