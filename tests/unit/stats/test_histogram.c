/* SPDX-License-Identifier: MIT */
/*
 * Every bucket is where it should be and narrow enough. Every figure of a histogram equals that of
 * a sorted array of the same values, to the width of a bucket, or exactly where that is promised.
 */
#include "stats/histogram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define HOUR_NS HISTOGRAM_HIGHEST_NS
#define LAST    (HISTOGRAM_BUCKETS - 1)

/* ---- memory that runs out ---- */

static bool no_memory;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __real_calloc(n, size);
}

TEST(without_memory_there_is_none_and_nothing_was_touched)
{
	struct histogram histogram = { .n = 7 };
	no_memory = true;
	int rc = histogram_open(&histogram);
	no_memory = false;
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(histogram.n, 7);
	assert_null(histogram.counts);
}

/* ---- buckets ---- */

TEST(the_buckets_follow_each_other_from_0_to_an_hour)
{
	assert_int_equal(histogram_lowest_ns(0), 0);
	for (size_t i = 0; i < LAST; i++) {
		assert_true(histogram_lowest_ns(i) <= histogram_highest_ns(i));
		assert_int_equal(histogram_highest_ns(i) + 1, histogram_lowest_ns(i + 1));
	}
	assert_true(histogram_lowest_ns(LAST) <= HOUR_NS);
	assert_true(histogram_highest_ns(LAST) >= HOUR_NS);
}

TEST(the_ends_of_every_bucket_are_counted_where_they_belong)
{
	for (size_t i = 0; i < LAST; i++) {
		assert_int_equal(histogram_index(histogram_lowest_ns(i)), i);
		assert_int_equal(histogram_index(histogram_highest_ns(i)), i);
		assert_int_equal(histogram_index(histogram_highest_ns(i) + 1), i + 1);
	}
	assert_int_equal(histogram_index(histogram_lowest_ns(LAST)), LAST);
}

TEST(no_bucket_is_wider_than_a_1024th_of_its_values)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t width = histogram_highest_ns(i) - histogram_lowest_ns(i) + 1;
		assert_true(width == 1 || width * 1024 <= histogram_lowest_ns(i));
	}
	assert_int_equal(histogram_highest_ns(2047), 2047);
}

TEST(what_is_above_an_hour_is_counted_as_the_last)
{
	assert_int_equal(histogram_index(HOUR_NS - 1), LAST);
	assert_int_equal(histogram_index(HOUR_NS), LAST);
	assert_int_equal(histogram_index(HOUR_NS + 1), LAST);
	assert_int_equal(histogram_index(2 * HOUR_NS), LAST);
	assert_int_equal(histogram_index(UINT64_MAX), LAST);
}

/* ---- series of values ---- */

/* A private generator: the same series everywhere (splitmix64, Vigna). */
static uint64_t random_state;

static uint64_t random_number(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

typedef uint64_t series_fn(void);

static uint64_t always_the_same(void)
{
	return 123456789;
}

static uint64_t any_up_to_an_hour(void)
{
	return random_number() % (HOUR_NS + 1);
}

/* Values of 10 ns are as frequent as values of a minute. */
static uint64_t of_any_magnitude(void)
{
	return (random_number() >> 22) >> random_number() % 42;
}

static uint64_t small(void)
{
	return random_number() % 3000;
}

/* A fast path, and a timer of 40 ms in one of a hundred cases. */
static uint64_t two_valued(void)
{
	uint64_t noise = random_number() % 1000;
	return random_number() % 100 == 0 ? 40000000 + noise : 20000 + noise;
}

/* Halved at each step: approximately exponential. */
static uint64_t with_a_tail(void)
{
	unsigned int doublings = (unsigned int)__builtin_ctzll(random_number() | UINT64_C(1) << 20);
	return (30000 + random_number() % 30000) << doublings;
}

static uint64_t often_above_an_hour(void)
{
	return random_number() % (3 * HOUR_NS);
}

static series_fn *const all_series[] = {
	always_the_same, any_up_to_an_hour, of_any_magnitude,    small,
	two_valued,      with_a_tail,       often_above_an_hour,
};

#define MOST_VALUES 20000

static uint64_t values[MOST_VALUES];

static int by_size(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
	return (one > other) - (one < other);
}

static struct histogram opened(void)
{
	struct histogram histogram;
	assert_int_equal(histogram_open(&histogram), 0);
	return histogram;
}

/* Records n values of a series, which are in `values`, sorted, afterwards. */
static void record_series(struct histogram *histogram, series_fn *series, size_t n)
{
	assert_true(n <= MOST_VALUES);
	for (size_t i = 0; i < n; i++) {
		values[i] = series();
		histogram_record(histogram, values[i]);
	}
	qsort(values, n, sizeof(values[0]), by_size);
}

/* ---- what is counted ---- */

static void assert_same(const struct histogram *one, const struct histogram *other)
{
	assert_int_equal(one->n, other->n);
	assert_int_equal(one->n_above, other->n_above);
	assert_int_equal(one->sum_ns, other->sum_ns);
	assert_int_equal(one->min_ns, other->min_ns);
	assert_int_equal(one->max_ns, other->max_ns);
	assert_memory_equal(one->counts, other->counts, HISTOGRAM_BUCKETS * sizeof(uint64_t));
}

TEST(of_no_values_every_figure_is_0)
{
	struct histogram histogram = opened();
	size_t at = 0;
	struct histogram_bucket bucket;
	assert_int_equal(histogram.n, 0);
	assert_int_equal(histogram.max_ns, 0);
	assert_int_equal(histogram_min_ns(&histogram), 0);
	assert_int_equal(histogram_mean_ns(&histogram), 0);
	assert_int_equal(histogram_percentile_ns(&histogram, 0), 0);
	assert_int_equal(histogram_percentile_ns(&histogram, 100), 0);
	assert_false(histogram_next(&histogram, &at, &bucket));
	histogram_close(&histogram);
	histogram_close(&histogram);
	assert_null(histogram.counts);
}

TEST(a_value_of_0_is_a_value)
{
	struct histogram histogram = opened();
	histogram_record(&histogram, 0);
	histogram_record(&histogram, 1);
	assert_int_equal(histogram.n, 2);
	assert_int_equal(histogram_min_ns(&histogram), 0);
	assert_int_equal(histogram.max_ns, 1);
	assert_int_equal(histogram_percentile_ns(&histogram, 50), 0);
	histogram_close(&histogram);
}

TEST(number_extremes_sum_and_mean_are_exact)
{
	for (size_t s = 0; s < ARRAY_LEN(all_series); s++) {
		struct histogram histogram = opened();
		random_state = s;
		record_series(&histogram, all_series[s], 5001);
		uint64_t sum = 0, n_above = 0;
		for (size_t i = 0; i < 5001; i++) {
			sum += values[i];
			n_above += values[i] > HOUR_NS;
		}
		assert_int_equal(histogram.n, 5001);
		assert_int_equal(histogram.n_above, n_above);
		assert_int_equal(histogram.sum_ns, sum);
		assert_int_equal(histogram_mean_ns(&histogram), (sum + 2500) / 5001);
		assert_int_equal(histogram_min_ns(&histogram), values[0]);
		assert_int_equal(histogram.max_ns, values[5000]);
		histogram_close(&histogram);
	}
}

TEST(the_mean_is_rounded_to_the_nearest)
{
	struct histogram histogram = opened();
	histogram_record_n(&histogram, 10, 2);
	histogram_record(&histogram, 11);
	assert_int_equal(histogram_mean_ns(&histogram), 10);
	histogram_record(&histogram, 11);
	assert_int_equal(histogram_mean_ns(&histogram), 11);
	histogram_close(&histogram);
}

TEST(a_sum_that_overflows_stays_at_its_largest)
{
	struct histogram one = opened(), other = opened();
	histogram_record(&one, UINT64_MAX - 5);
	histogram_record(&one, 5);
	assert_int_equal(one.sum_ns, UINT64_MAX);
	histogram_record(&one, 1);
	assert_int_equal(one.sum_ns, UINT64_MAX);
	histogram_record_n(&other, HOUR_NS, UINT64_C(1) << 40);
	assert_int_equal(other.sum_ns, UINT64_MAX);
	histogram_merge(&other, &one);
	assert_int_equal(other.sum_ns, UINT64_MAX);
	histogram_close(&one);
	histogram_close(&other);
}

TEST(those_above_an_hour_are_known_to_be_so)
{
	struct histogram histogram = opened();
	histogram_record(&histogram, HOUR_NS);
	assert_int_equal(histogram.n_above, 0);
	histogram_record(&histogram, HOUR_NS + 1);
	histogram_record_n(&histogram, 2 * HOUR_NS, 3);
	histogram_record_n(&histogram, 1, 3);
	assert_int_equal(histogram.n_above, 4);
	assert_int_equal(histogram.counts[LAST], 5);
	assert_int_equal(histogram.max_ns, 2 * HOUR_NS);
	assert_int_equal(histogram_percentile_ns(&histogram, 100), 2 * HOUR_NS);
	assert_int_equal(histogram_percentile_ns(&histogram, 50), histogram_highest_ns(LAST));
	histogram_reset(&histogram);
	histogram_record_n(&histogram, 2 * HOUR_NS, 3); /* never below the minimum */
	assert_int_equal(histogram_percentile_ns(&histogram, 50), 2 * HOUR_NS);
	histogram_close(&histogram);
}

TEST(a_value_recorded_n_times_is_the_same_as_n_values)
{
	struct histogram one = opened(), other = opened();
	random_state = 11;
	for (size_t i = 0; i < 500; i++) {
		uint64_t ns = often_above_an_hour();
		for (size_t n = 0; n < i % 5; n++)
			histogram_record(&one, ns);
		histogram_record_n(&other, ns, i % 5);
	}
	assert_same(&one, &other);
	histogram_close(&one);
	histogram_close(&other);
}

TEST(of_values_known_by_their_bucket_the_ends_and_the_middle_count)
{
	struct histogram histogram = opened();
	size_t index = histogram_index(1000000);
	histogram_record_bucket(&histogram, 5, 0);
	histogram_record_bucket(&histogram, index, 3);
	uint64_t lowest = histogram_lowest_ns(index), highest = histogram_highest_ns(index);
	assert_int_equal(histogram.n, 3);
	assert_int_equal(histogram.counts[index], 3);
	assert_int_equal(histogram_min_ns(&histogram), lowest);
	assert_int_equal(histogram.max_ns, highest);
	assert_int_equal(histogram.sum_ns, 3 * (lowest + (highest - lowest) / 2));
	histogram_close(&histogram);
}

TEST(after_a_reset_it_is_as_new)
{
	struct histogram used = opened(), fresh = opened();
	for (size_t s = 0; s < ARRAY_LEN(all_series); s++) {
		random_state = s;
		record_series(&used, all_series[s], 1000);
		histogram_record_bucket(&used, LAST, 1);
		histogram_reset(&used);
		assert_same(&used, &fresh);
	}
	histogram_reset(&used);
	assert_same(&used, &fresh);
	histogram_close(&used);
	histogram_close(&fresh);
}

TEST(merged_it_is_the_same_as_if_all_had_been_recorded_in_one)
{
	struct histogram merged = opened(), all = opened();
	for (size_t s = 0; s < ARRAY_LEN(all_series); s++) {
		struct histogram part = opened();
		histogram_merge(&merged, &part); /* empty */
		assert_same(&merged, &all);
		random_state = s;
		record_series(&part, all_series[s], 3000);
		random_state = s;
		record_series(&all, all_series[s], 3000);
		histogram_merge(&merged, &part);
		assert_same(&merged, &all);
		histogram_close(&part);
	}
	histogram_close(&merged);
	histogram_close(&all);
}

TEST(two_are_the_same_if_all_their_counts_are)
{
	struct histogram one = opened(), other = opened();
	assert_true(histogram_same(&one, &other));
	histogram_record(&one, 10);
	assert_false(histogram_same(&one, &other));
	histogram_record(&other, 10);
	assert_true(histogram_same(&one, &other));
	histogram_record_n(&one, 5000, 3);
	histogram_record_n(&one, 100000, 2);
	histogram_record(&one, 90000);
	histogram_record_n(&other, 5000, 2); /* equally many values, in the same buckets */
	histogram_record_n(&other, 100000, 3);
	histogram_record(&other, 90000);
	assert_false(histogram_same(&one, &other));
	histogram_record(&one, 100000);
	histogram_record(&other, 5000);
	assert_true(histogram_same(&one, &other));
	histogram_record(&one, 1000000);
	histogram_record(&other, 1000001); /* in the same bucket */
	assert_false(histogram_same(&one, &other));
	histogram_close(&one);
	histogram_close(&other);
}

TEST(every_bucket_with_values_is_met_once_from_the_lowest_on)
{
	for (size_t s = 0; s < ARRAY_LEN(all_series); s++) {
		struct histogram histogram = opened();
		random_state = s;
		record_series(&histogram, all_series[s], 5000);
		size_t at = 0, i = 0;
		struct histogram_bucket bucket;
		while (histogram_next(&histogram, &at, &bucket)) {
			assert_int_equal(bucket.index, histogram_index(values[i]));
			assert_int_equal(bucket.lowest_ns, histogram_lowest_ns(bucket.index));
			assert_int_equal(bucket.highest_ns, histogram_highest_ns(bucket.index));
			size_t from = i;
			while (i < 5000 && histogram_index(values[i]) == bucket.index)
				i++;
			assert_int_equal(bucket.n, i - from);
		}
		assert_int_equal(i, 5000);
		histogram_close(&histogram);
	}
}

/* ---- percentiles ---- */

/*
 * In hundred-thousandths of a per cent, so that the expected values are computed without doubles.
 */
static const uint64_t percentiles[] = {
	0,       1,       100000,  1000000, 2500000, 5000000, 7500000, 9000000,
	9500000, 9900000, 9990000, 9999000, 9999900, 9999990, 9999999, 10000000,
};
#define ALL_OF_THEM UINT64_C(10000000)

/*
 * Returns the smallest of the sorted values that at least this percentage of values does not
 * exceed.
 */
static uint64_t exact_percentile(uint64_t percentile, size_t n)
{
	size_t i = 0;
	while ((i + 1) * ALL_OF_THEM < percentile * n)
		i++;
	return values[i];
}

TEST(a_percentile_is_that_of_the_sorted_values_to_the_width_of_a_bucket)
{
	static const size_t numbers[] = { 1, 2, 3, 7, 10, 100, 999, 1000, 1001, 20000 };
	for (size_t s = 0; s < ARRAY_LEN(all_series); s++) {
		for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
			size_t n = numbers[k];
			struct histogram histogram = opened();
			random_state = s * 100 + k;
			record_series(&histogram, all_series[s], n);
			for (size_t p = 0; p < ARRAY_LEN(percentiles); p++) {
				uint64_t exact = exact_percentile(percentiles[p], n);
				double percent = (double)percentiles[p] / 1e5;
				uint64_t ns = histogram_percentile_ns(&histogram, percent);
				assert_int_equal(histogram_index(ns), histogram_index(exact));
				assert_true(ns >= values[0] && ns <= values[n - 1]);
				if (exact > HOUR_NS)
					continue;
				assert_true(ns >= exact);
				assert_true((ns - exact) * 1024 <= exact);
			}
			histogram_close(&histogram);
		}
	}
}

TEST(a_percentile_never_falls_from_one_to_the_next)
{
	struct histogram histogram = opened();
	random_state = 5;
	record_series(&histogram, of_any_magnitude, 3000);
	uint64_t before = 0;
	for (unsigned int i = 0; i <= 10000; i++) {
		uint64_t ns = histogram_percentile_ns(&histogram, i / 100.0);
		assert_true(ns >= before);
		before = ns;
	}
	histogram_close(&histogram);
}

TEST(a_percentage_means_its_decimals_and_not_the_double_beside_them)
{
	/* The values equal their ranks. */
	struct histogram histogram = opened();
	for (uint64_t ns = 1; ns <= 1000; ns++)
		histogram_record(&histogram, ns);
	for (unsigned int i = 1; i <= 1000; i++)
		assert_int_equal(histogram_percentile_ns(&histogram, i / 10.0), i);
	assert_int_equal(histogram_percentile_ns(&histogram, 99.900001), 1000);
	assert_int_equal(histogram_percentile_ns(&histogram, 99.8), 998);
	histogram_close(&histogram);
}

TEST(percentiles_are_right_among_a_quintillion)
{
	struct histogram histogram = opened();
	const uint64_t n = UINT64_C(1000000000000000000);
	histogram_record_n(&histogram, 1, n / 1000 * 999);
	histogram_record_n(&histogram, 2, n / 1000 - 1);
	histogram_record(&histogram, 3);
	assert_int_equal(histogram_percentile_ns(&histogram, 99.9), 1);
	assert_int_equal(histogram_percentile_ns(&histogram, 99.900001), 2);
	assert_int_equal(histogram_percentile_ns(&histogram, 99.999999), 2);
	assert_int_equal(histogram_percentile_ns(&histogram, 100), 3);
	histogram_close(&histogram);
}

TEST(the_first_and_the_last_value_are_exact)
{
	struct histogram histogram = opened();
	histogram_record(&histogram, 1000001);
	assert_int_equal(histogram_percentile_ns(&histogram, 50), 1000001);
	histogram_record(&histogram, 5000001);
	assert_int_equal(histogram_percentile_ns(&histogram, 0), 1000001);
	assert_int_equal(histogram_percentile_ns(&histogram, 50), 1000001);
	assert_int_equal(histogram_percentile_ns(&histogram, 51), 5000001);
	assert_int_equal(histogram_percentile_ns(&histogram, 100), 5000001);
	/* Other values: the highest of their bucket, but not above the maximum. */
	histogram_record(&histogram, 3000001);
	assert_int_equal(histogram_percentile_ns(&histogram, 50),
			 histogram_highest_ns(histogram_index(3000001)));
	histogram_record_n(&histogram, 5000001, 10);
	assert_int_equal(histogram_percentile_ns(&histogram, 50), 5000001);
	histogram_close(&histogram);
}

static void ask_for_percent(const void *argument)
{
	struct histogram histogram = { 0 };
	histogram_percentile_ns(&histogram, *(const double *)argument);
}

TEST(a_percentage_beyond_0_to_100_is_a_bug_of_the_caller)
{
	static const double wrong[] = { -0.1, 100.1, __builtin_nan("") };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		unit_child_dies_of(SIGABRT, ask_for_percent, &wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_there_is_none_and_nothing_was_touched),
		cmocka_unit_test(the_buckets_follow_each_other_from_0_to_an_hour),
		cmocka_unit_test(the_ends_of_every_bucket_are_counted_where_they_belong),
		cmocka_unit_test(no_bucket_is_wider_than_a_1024th_of_its_values),
		cmocka_unit_test(what_is_above_an_hour_is_counted_as_the_last),
		cmocka_unit_test(of_no_values_every_figure_is_0),
		cmocka_unit_test(a_value_of_0_is_a_value),
		cmocka_unit_test(number_extremes_sum_and_mean_are_exact),
		cmocka_unit_test(the_mean_is_rounded_to_the_nearest),
		cmocka_unit_test(a_sum_that_overflows_stays_at_its_largest),
		cmocka_unit_test(those_above_an_hour_are_known_to_be_so),
		cmocka_unit_test(a_value_recorded_n_times_is_the_same_as_n_values),
		cmocka_unit_test(of_values_known_by_their_bucket_the_ends_and_the_middle_count),
		cmocka_unit_test(after_a_reset_it_is_as_new),
		cmocka_unit_test(merged_it_is_the_same_as_if_all_had_been_recorded_in_one),
		cmocka_unit_test(two_are_the_same_if_all_their_counts_are),
		cmocka_unit_test(every_bucket_with_values_is_met_once_from_the_lowest_on),
		cmocka_unit_test(
			a_percentile_is_that_of_the_sorted_values_to_the_width_of_a_bucket),
		cmocka_unit_test(a_percentile_never_falls_from_one_to_the_next),
		cmocka_unit_test(a_percentage_means_its_decimals_and_not_the_double_beside_them),
		cmocka_unit_test(percentiles_are_right_among_a_quintillion),
		cmocka_unit_test(the_first_and_the_last_value_are_exact),
		cmocka_unit_test(a_percentage_beyond_0_to_100_is_a_bug_of_the_caller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
