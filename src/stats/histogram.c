/* SPDX-License-Identifier: MIT */
#include "stats/histogram.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Each doubling is divided into 1 << HALF_BITS parts. */
#define HALF_BITS 10
#define HALF      (UINT64_C(1) << HALF_BITS)

/* Smaller values have a bucket each. */
#define SINGLES (2 * HALF)

/* Number of bits by which the highest value (one hour) is shifted. */
#define LAST_SHIFT 31

_Static_assert(HISTOGRAM_HIGHEST_NS >> LAST_SHIFT >= HALF, "an hour has more than that many bits");
_Static_assert(HISTOGRAM_HIGHEST_NS >> LAST_SHIFT < SINGLES, "and not one more");
_Static_assert(HISTOGRAM_BUCKETS == LAST_SHIFT * HALF + (HISTOGRAM_HIGHEST_NS >> LAST_SHIFT) + 1,
	       "one more than the index of an hour");

/* ---- value to bucket ---- */

/*
 * A value shifted to 11 bits is 1024 to 2047 within its doubling, and the doublings follow each
 * other: the shift is the number of the doubling. Values below SINGLES are not shifted.
 */
static inline size_t bucket_of_value(uint64_t ns)
{
	uint64_t known = ns < HISTOGRAM_HIGHEST_NS ? ns : HISTOGRAM_HIGHEST_NS;
	unsigned int shift = 63 - HALF_BITS - (unsigned int)__builtin_clzll(known | (SINGLES - 1));
	return (size_t)((shift << HALF_BITS) + (known >> shift));
}

size_t histogram_index(uint64_t ns)
{
	return bucket_of_value(ns);
}

static unsigned int shift_of(size_t index)
{
	return index < SINGLES ? 0 : (unsigned int)(index >> HALF_BITS) - 1;
}

uint64_t histogram_lowest_ns(size_t index)
{
	unsigned int shift = shift_of(index);
	return (index - ((uint64_t)shift << HALF_BITS)) << shift;
}

uint64_t histogram_highest_ns(size_t index)
{
	return histogram_lowest_ns(index) + (UINT64_C(1) << shift_of(index)) - 1;
}

/* ---- opening and closing ---- */

/* An empty histogram, without counts. */
static const struct histogram empty = { .min_ns = UINT64_MAX };

int histogram_open(struct histogram *ret_histogram)
{
	uint64_t *counts = calloc(HISTOGRAM_BUCKETS, sizeof(*counts));
	if (counts == NULL)
		return -ENOMEM;
	*ret_histogram = empty;
	ret_histogram->counts = counts;
	return 0;
}

void histogram_close(struct histogram *histogram)
{
	free(histogram->counts);
	*histogram = (struct histogram){ 0 };
}

/* The buckets that may contain values: the first, and one past the last. */
struct range {
	size_t from, to;
};

static struct range range_of(const struct histogram *histogram)
{
	if (histogram->n == 0)
		return (struct range){ 0 };
	return (struct range){
		.from = histogram_index(histogram->min_ns),
		.to = histogram_index(histogram->max_ns) + 1,
	};
}

void histogram_reset(struct histogram *histogram)
{
	struct range used = range_of(histogram);
	uint64_t *counts = histogram->counts;
	memset(counts + used.from, 0, (used.to - used.from) * sizeof(*counts));
	*histogram = empty;
	histogram->counts = counts;
}

/* ---- recording ---- */

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t multiply_saturated(uint64_t a, uint64_t b)
{
	uint64_t product;
	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static void widen(struct histogram *histogram, uint64_t min_ns, uint64_t max_ns)
{
	histogram->min_ns = min_ns < histogram->min_ns ? min_ns : histogram->min_ns;
	histogram->max_ns = max_ns > histogram->max_ns ? max_ns : histogram->max_ns;
}

/* All conditions compile to conditional moves, except the overflow of the sum. */
void histogram_record(struct histogram *histogram, uint64_t ns)
{
	histogram->counts[bucket_of_value(ns)]++;
	histogram->n++;
	histogram->n_above += ns > HISTOGRAM_HIGHEST_NS;
	histogram->sum_ns = add_saturated(histogram->sum_ns, ns);
	widen(histogram, ns, ns);
}

void histogram_record_n(struct histogram *histogram, uint64_t ns, uint64_t n)
{
	if (n == 0)
		return;
	histogram->counts[histogram_index(ns)] += n;
	histogram->n += n;
	histogram->n_above += ns > HISTOGRAM_HIGHEST_NS ? n : 0;
	histogram->sum_ns = add_saturated(histogram->sum_ns, multiply_saturated(ns, n));
	widen(histogram, ns, ns);
}

void histogram_record_bucket(struct histogram *histogram, size_t index, uint64_t n)
{
	assert(index < HISTOGRAM_BUCKETS);
	if (n == 0)
		return;
	uint64_t lowest_ns = histogram_lowest_ns(index);
	uint64_t highest_ns = histogram_highest_ns(index);
	uint64_t middle_ns = lowest_ns + (highest_ns - lowest_ns) / 2;
	histogram->counts[index] += n;
	histogram->n += n;
	histogram->sum_ns = add_saturated(histogram->sum_ns, multiply_saturated(middle_ns, n));
	widen(histogram, lowest_ns, highest_ns);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	struct range used = range_of(from);
	for (size_t i = used.from; i < used.to; i++)
		into->counts[i] += from->counts[i];
	into->n += from->n;
	into->n_above += from->n_above;
	into->sum_ns = add_saturated(into->sum_ns, from->sum_ns);
	widen(into, from->min_ns, from->max_ns);
}

bool histogram_same(const struct histogram *a, const struct histogram *b)
{
	struct range used = range_of(a);
	return a->n == b->n && a->min_ns == b->min_ns && a->max_ns == b->max_ns &&
	       memcmp(a->counts + used.from, b->counts + used.from,
		      (used.to - used.from) * sizeof(*a->counts)) == 0;
}

/* ---- figures ---- */

uint64_t histogram_min_ns(const struct histogram *histogram)
{
	return histogram->n == 0 ? 0 : histogram->min_ns;
}

uint64_t histogram_mean_ns(const struct histogram *histogram)
{
	if (histogram->n == 0)
		return 0;
	uint64_t rest = histogram->sum_ns % histogram->n;
	return histogram->sum_ns / histogram->n + (rest >= histogram->n - rest);
}

/* Percentages are integers in units of 1/PARTS per cent. */
#define PARTS   1000000
#define HUNDRED (UINT64_C(100) * PARTS)

/*
 * Returns the rank of a percentile, from 1: n * percent / 100, rounded up. It uses integers,
 * because in doubles 99.9 * 1000 / 100 is slightly more than 999 and would give rank 1000.
 */
static uint64_t rank_of(uint64_t n, double percent)
{
	uint64_t parts = (uint64_t)(percent * PARTS + 0.5);
	uint64_t rank = n / HUNDRED * parts + (n % HUNDRED * parts + HUNDRED - 1) / HUNDRED;
	return rank > 0 ? rank : 1;
}

uint64_t histogram_percentile_ns(const struct histogram *histogram, double percent)
{
	assert(percent >= 0 && percent <= 100);
	if (histogram->n == 0)
		return 0;
	uint64_t rank = rank_of(histogram->n, percent);
	if (rank == 1)
		return histogram->min_ns;
	if (rank == histogram->n)
		return histogram->max_ns;

	size_t index = histogram_index(histogram->min_ns);
	for (uint64_t n = histogram->counts[index]; n < rank; n += histogram->counts[index])
		index++;
	uint64_t ns = histogram_highest_ns(index);
	ns = ns > histogram->min_ns ? ns : histogram->min_ns;
	return ns < histogram->max_ns ? ns : histogram->max_ns;
}

/* ---- the buckets ---- */

bool histogram_next(const struct histogram *histogram, size_t *at,
		    struct histogram_bucket *ret_bucket)
{
	struct range used = range_of(histogram);
	size_t index = *at > used.from ? *at : used.from;
	while (index < used.to && histogram->counts[index] == 0)
		index++;
	if (index >= used.to)
		return false;
	*at = index + 1;
	*ret_bucket = (struct histogram_bucket){
		.index = index,
		.lowest_ns = histogram_lowest_ns(index),
		.highest_ns = histogram_highest_ns(index),
		.n = histogram->counts[index],
	};
	return true;
}
