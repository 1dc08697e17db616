/* SPDX-License-Identifier: MIT */
/*
 * Numbers and texts on a page, in UTF-8: measured values with four significant digits, thousands
 * separators, and texts from outside (host names, command lines, file names) escaped for HTML.
 */
#ifndef REPORT_HTML_FORMAT_H
#define REPORT_HTML_FORMAT_H

#include <stdint.h>
#include <stdio.h>

struct format_text {
	char text[40];
};

/* A time in a suitable unit: "83 ns", "83.21 µs", "1.243 ms", "75.31 s", "3,600 s". */
struct format_text format_time(uint64_t ns);

/* A time of 1, 2 or 5 times a power of ten, as an axis label: "500 ns", "1 ms". */
struct format_text format_round_time(double ns);

/* An exact count: "1,234,567". */
struct format_text format_count(uint64_t n);

/* A count as an axis label or limit: "500", "20k", "1.5M", "0.2". */
struct format_text format_round_count(double n);

/* A rate per second: "20,576/s", "12.34/s". */
struct format_text format_rate(double per_second);

/* A duration in seconds, with up to three decimals: "60 s", "0.25 s". */
struct format_text format_seconds(double seconds);

/* Maximum number of bytes shown of a text. A mark shows that it was cut. */
#define FORMAT_TEXT_MAX 4096

/*
 * Writes a text escaped for HTML, valid between tags and in a quoted attribute. Terminal control
 * characters and invalid UTF-8 are shown as in base/escape.h. Write errors stay in `out`.
 */
void format_put_text(FILE *out, const char *text);

#endif
