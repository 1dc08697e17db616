/* SPDX-License-Identifier: MIT */
/*
 * A histogram of times in ns, from 1 ns to one hour.
 *
 * Each value is counted in a bucket, whose width is at most 1/1024 of the values in it. Below 2048
 * each value has its own bucket; above, each doubling is divided into 1024 equal parts. So every
 * result is exact to 0.1 %, recording costs a shift and an addition, and adding histograms of
 * threads, intervals or machines loses nothing. Number, minimum, maximum and sum of the values are
 * exact.
 * exact.
 *
 * The buckets are those of an HdrHistogram (hdrhistogram.org) for 1 to 3,600,000,000,000 with three
 * significant digits, with the same indexes. stats/hlog.h writes them for its tools. Why the
 * HdrHistogram library is not used: docs/decisions/0014-hdrhistogram.md.
 *
 * Each thread records into its own histogram; merge them for the total. A zeroed struct is closed.
 */
#ifndef STATS_HISTOGRAM_H
#define STATS_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* One hour. A larger value is counted in the last bucket and in n_above. */
#define HISTOGRAM_HIGHEST_NS UINT64_C(3600000000000)

/* The index of one hour, plus one. */
#define HISTOGRAM_BUCKETS 33421

/* Read-only for users; only the functions below write it. */
struct histogram {
	uint64_t *counts; /* array of HISTOGRAM_BUCKETS */
	uint64_t n;       /* number of values, at most INT64_MAX */
	uint64_t n_above; /* number of values above one hour */
	uint64_t sum_ns;  /* sum of the values; UINT64_MAX after an overflow, at 584 years */
	uint64_t min_ns;  /* minimum, UINT64_MAX if empty: see histogram_min_ns() */
	uint64_t max_ns;  /* maximum, exact also above one hour; 0 if empty */
};

/*
 * Makes an empty histogram: 261 KiB, of which only used pages become memory. The caller must close
 * *ret_histogram. Returns 0 or -ENOMEM.
 */
MUST_USE int histogram_open(struct histogram *ret_histogram);

/* Frees it. A closed histogram may be closed again. */
void histogram_close(struct histogram *histogram);

/* Removes all values. */
void histogram_reset(struct histogram *histogram);

/* ---- recording: no allocation, no search ---- */

/* Counts one value. 0 is valid. */
void histogram_record(struct histogram *histogram, uint64_t ns);

/* Counts a value n times. n may be 0. */
void histogram_record_n(struct histogram *histogram, uint64_t ns, uint64_t n);

/*
 * Counts n values of which only the bucket is known; index is below HISTOGRAM_BUCKETS. Minimum and
 * maximum become the ends of the bucket, and its middle is added to the sum.
 */
void histogram_record_bucket(struct histogram *histogram, size_t index, uint64_t n);

/* Adds every value of `from` to `into`, as if recorded there. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* Returns whether both have the same counts, minimum and maximum. */
bool histogram_same(const struct histogram *a, const struct histogram *b);

/* ---- figures ---- */

/* Returns the exact minimum, 0 if empty. (The maximum is max_ns.) */
uint64_t histogram_min_ns(const struct histogram *histogram);

/* Returns sum / number, rounded to the nearest ns; 0 if empty. */
uint64_t histogram_mean_ns(const struct histogram *histogram);

/*
 * Returns the smallest recorded value that at least `percent` per cent of the values do not exceed.
 * percent is from 0 to 100, used with six decimals, so that 99.9 means exactly 99.9.
 *
 * The result is the highest value of the bucket, limited to minimum and maximum. It is never less
 * than the exact percentile and at most 1/1024 more. The first and the last value are exact, so 0
 * gives the minimum and 100 the maximum. For other values above one hour, only that is known. 0 if
 * empty.
 */
uint64_t histogram_percentile_ns(const struct histogram *histogram, double percent);

/* ---- the buckets ---- */

struct histogram_bucket {
	size_t index;
	uint64_t lowest_ns, highest_ns; /* inclusive */
	uint64_t n; /* number of values; in the last bucket, including those above one hour */
};

/*
 * Finds the next non-empty bucket, in rising order. *at is the caller's, 0 at first. Returns false
 * after the last one.
 */
bool histogram_next(const struct histogram *histogram, size_t *at,
		    struct histogram_bucket *ret_bucket);

/* Returns the index of a value's bucket. */
size_t histogram_index(uint64_t ns);

/* Return the lowest and the highest value of a bucket. */
uint64_t histogram_lowest_ns(size_t index);
uint64_t histogram_highest_ns(size_t index);

#endif
