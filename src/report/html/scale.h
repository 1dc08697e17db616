/* SPDX-License-Identifier: MIT */
/*
 * Axes: where on its way from one end to the other a value stands, and which of them are named.
 *
 * Every scale has low < high, whatever it was made of; a place is from 0 to 1.
 */
#ifndef REPORT_HTML_SCALE_H
#define REPORT_HTML_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/html/format.h"

struct scale {
	bool is_log; /* low > 0 */
	double low, high;
};

/* The place of a value; one beyond an end is at that end. */
double scale_at(const struct scale *scale, double value);

/* ---- how far an axis reaches ---- */

/*
 * Of times in nanoseconds: from 0 and linear, as long as the largest is not far from what is
 * typical; logarithmic from the smallest on where it is. The ends are round.
 */
struct scale scale_times(uint64_t least_ns, uint64_t typical_ns, uint64_t most_ns);

/* The same, logarithmic in any case. */
struct scale scale_log_times(uint64_t least_ns, uint64_t most_ns);

/* Of counts, or of counts per second: from 0 to a round number, never less than `least`. */
struct scale scale_counts(double most, double least);

/* Of seconds, from 0 to the last. */
struct scale scale_elapsed(double seconds);

/*
 * Of percentiles of n values, in decades: log10(1 / (1 - p)), so that 0 is the smallest value, 1 is
 * 90 %, 2 is 99 %. It reaches half a value beyond the last that can be told from the largest, and
 * no farther than 8.
 */
#define SCALE_DECADES_MAX 8
struct scale scale_percentiles(uint64_t n);

/* ---- what is written at it ---- */

#define SCALE_TICKS_MAX 40

struct scale_tick {
	double at;
	bool is_minor; /* it may be left out where there is little room */
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
