/* SPDX-License-Identifier: MIT */
/*
 * How often each time was: a histogram of nanoseconds, from 1 ns to an hour.
 *
 * What is recorded is counted in a bucket, and no bucket is wider than 1/1024 of its values: below
 * 2048 each value has its own, above that each doubling is cut in 1024 equal parts. So every figure
 * is right to 0.1 %, recording is a shift and an addition whatever was recorded before, and adding
 * histograms, of threads, seconds or machines, loses nothing. How many there are, their smallest,
 * their largest and their sum are known exactly.
 *
 * The buckets are those of an HdrHistogram (hdrhistogram.org) for 1 to 3,600,000,000,000 with three
 * significant digits, index for index: report/hlog.h writes them for its tools. Why not that
 * library: docs/decisions/0014-times-in-buckets.md.
 *
 * Each thread records into its own; who wants the whole merges. A zeroed struct is a closed one.
 */
#ifndef STATS_HISTOGRAM_H
#define STATS_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* An hour. What is above is counted as the last bucket's, and that it was in n_above. */
#define HISTOGRAM_HIGHEST_NS UINT64_C(3600000000000)

/* One more than the index of that hour. */
#define HISTOGRAM_BUCKETS 33421

/* To be read; written by the functions below. */
struct histogram {
	uint64_t *counts;  /* HISTOGRAM_BUCKETS of them */
	uint64_t n;        /* how many values, at most INT64_MAX */
	uint64_t n_above;  /* those of them that were above an hour */
	uint64_t sum_ns;   /* of the values; UINT64_MAX where that overflows, at 584 years */
	uint64_t least_ns; /* UINT64_MAX while there is none: see histogram_min_ns() */
	uint64_t max_ns;   /* the largest, above an hour too; 0 while there is none */
};

/*
 * Makes an empty one: 261 KiB, of which only the pages that are used become memory.
 * *ret_histogram is the caller's, to be closed. Returns 0 or -ENOMEM.
 */
MUST_USE int histogram_open(struct histogram *ret_histogram);

/* Frees it; a closed one may be closed again. */
void histogram_close(struct histogram *histogram);

/* Forgets every value. */
void histogram_reset(struct histogram *histogram);

/* ---- recording: no allocation, no search ---- */

/* Counts one value. 0 is a value too. */
void histogram_record(struct histogram *histogram, uint64_t ns);

/* Counts a value n times; with n of 0 nothing changes. */
void histogram_record_n(struct histogram *histogram, uint64_t ns, uint64_t n);

/*
 * Counts n values of which only the bucket is known, index below HISTOGRAM_BUCKETS: the smallest
 * and the largest of them are taken to be its ends, and its middle enters the sum.
 */
void histogram_record_bucket(struct histogram *histogram, size_t index, uint64_t n);

/* Adds every value of `from`: the same as if each had been recorded in `into`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* Have both the same counts, the same smallest and the same largest value? */
bool histogram_same(const struct histogram *a, const struct histogram *b);

/* ---- figures ---- */

/* The smallest value, exactly; 0 while there is none. (The largest is max_ns.) */
uint64_t histogram_min_ns(const struct histogram *histogram);

/* The sum by the number, to the nearest nanosecond; 0 while there is none. */
uint64_t histogram_mean_ns(const struct histogram *histogram);

/*
 * The smallest recorded value that at least `percent` per cent of the values do not exceed; percent
 * from 0 to 100 and taken to six decimals, 99.9 being 99.9 and not the double beside it.
 *
 * Returned is the highest value of its bucket, within the smallest and the largest value there are:
 * never less than the exact percentile, and at most 1/1024 more. The first and the last value are
 * exact, so 0 gives the minimum and 100 the maximum. Of one above an hour, other than the first and
 * the last, no more is known than that. 0 while there are no values.
 */
uint64_t histogram_percentile_ns(const struct histogram *histogram, double percent);

/* ---- the buckets ---- */

struct histogram_bucket {
	size_t index;
	uint64_t lowest_ns, highest_ns; /* both belong to it */
	uint64_t n;                     /* how many values; in the last bucket, those above too */
};

/*
 * The next bucket with values in it, from the lowest on: *at is the caller's, 0 at first. Returns
 * false when there is no more.
 */
bool histogram_next(const struct histogram *histogram, size_t *at,
		    struct histogram_bucket *ret_bucket);

/* The index of the bucket of a value. */
size_t histogram_index(uint64_t ns);

/* The lowest and the highest value of a bucket. */
uint64_t histogram_lowest_ns(size_t index);
uint64_t histogram_highest_ns(size_t index);

#endif
