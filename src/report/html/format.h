/* SPDX-License-Identifier: MIT */
/*
 * Numbers as a page shows them: four digits of what was measured, thousands set apart. UTF-8.
 */
#ifndef REPORT_HTML_FORMAT_H
#define REPORT_HTML_FORMAT_H

#include <stdint.h>

struct format_text {
	char text[40];
};

/* A time in the unit that suits it: "83 ns", "83.21 µs", "1.243 ms", "75.31 s", "3,600 s". */
struct format_text format_time(uint64_t ns);

/* A time that is 1, 2 or 5 times a power of ten, as a label of an axis: "500 ns", "1 ms". */
struct format_text format_round_time(double ns);

/* A count, whole: "1,234,567". */
struct format_text format_count(uint64_t n);

/* A count that is a label of an axis or a bound: "500", "20k", "1.5M", "0.2". */
struct format_text format_round_count(double n);

/* So many a second: "20,576/s", "12.34/s". */
struct format_text format_rate(double per_second);

/* A length of time in seconds, to the millisecond: "60 s", "0.25 s". */
struct format_text format_seconds(double seconds);

/* A moment since the epoch: "2026-11-26 04:36:17 UTC". */
struct format_text format_moment(uint64_t ns);

#endif
