/* SPDX-License-Identifier: MIT */
/*
 * Axes: the position of a value between both ends, and the labels. Every scale has low < high. A
 * position is from 0 to 1.
 */
#ifndef REPORT_HTML_SCALE_H
#define REPORT_HTML_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/html/format.h"

/* ---- powers of ten and logarithms ---- */

/*
 * libm is not used: it is a separate shared library that cannot be linked statically here, and
 * every forked child of the server would pay for it
 * (docs/decisions/0005-what-is-written-by-hand.md).
 */

/* Returns 10 to the power of an exponent, from -300 to 300. */
double scale_power_of_10(int exponent);

/*
 * Returns the exponent of the greatest power of ten that is not above a finite value > 0 (to 1e-9).
 */
int scale_log10_floor(double value);

/* Returns the base-10 logarithm of a finite value > 0, with an error of at most 1e-11. */
double scale_log10(double value);

/* ---- positions ---- */

struct scale {
	bool is_log; /* low > 0 */
	double low, high;
};

/* Returns the position of a value, limited to 0 and 1. */
double scale_at(const struct scale *scale, double value);

/* ---- range of an axis ---- */

/*
 * Range for times in ns. Linear from 0 if the maximum is near the typical value; otherwise
 * logarithmic from the minimum. The ends are round numbers.
 */
struct scale scale_times(uint64_t min_ns, uint64_t typical_ns, uint64_t max_ns);

/* The same, always logarithmic. */
struct scale scale_log_times(uint64_t min_ns, uint64_t max_ns);

/* Range for counts or rates: from 0 to a round number, at least `min`. */
struct scale scale_counts(double max, double min);

/* Range for elapsed time: from 0 to `seconds`. */
struct scale scale_elapsed(double seconds);

/*
 * Range for percentiles of n values, in decades: log10(1 / (1 - p)). So 0 is the minimum, 1 is 90
 * %, 2 is 99 %. It ends half a value after the last one that can be distinguished from the maximum,
 * at most at 8.
 */
#define SCALE_DECADES_MAX 8
struct scale scale_percentiles(uint64_t n);

/* ---- labels of an axis ---- */

#define SCALE_TICKS_MAX 40

struct scale_tick {
	double at;
	bool is_minor; /* may be left out if space is short */
	struct format_text label;
};

struct scale_ticks {
	size_t n;
	struct scale_tick list[SCALE_TICKS_MAX];
};

struct scale_ticks scale_ticks_of_times(const struct scale *scale);
struct scale_ticks scale_ticks_of_counts(const struct scale *scale);
struct scale_ticks scale_ticks_of_elapsed(const struct scale *scale);
struct scale_ticks scale_ticks_of_percentiles(const struct scale *scale);

#endif
