/* SPDX-License-Identifier: MIT */
/*
 * Series are merged by time: every count is in the sum, once, in its interval or a neighbouring
 * one.
 */
#include "report/series_merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stats/hlog.h"
#include "stats/histogram.h"
#include "unit.h"

#define S  CLOCK_NS_PER_S
#define MS CLOCK_NS_PER_MS

/* A series of n intervals; the i-th has i + 1 values of value_ns. */
static struct time_series make(size_t n, uint64_t length_ns, uint64_t value_ns)
{
	struct time_series series = { .list = calloc(n, sizeof(*series.list)), .n = n };
	struct hlog *hlog;
	struct histogram times;
	assert_int_equal(hlog_open(&hlog), 0);
	assert_int_equal(histogram_open(&times), 0);
	for (size_t i = 0; i < n; i++) {
		histogram_reset(&times);
		histogram_record_n(&times, value_ns, i + 1);
		series.list[i] = (struct time_series_interval){
			.start_ns = i * length_ns,
			.length_ns = length_ns,
			.n_echoes = i + 1,
			.bytes_verified = 10 * (i + 1),
			.n_failures = 1,
			.response = strdup(hlog_encode(hlog, &times)),
			.service = i % 2 == 0 ? strdup(hlog_encode(hlog, &times)) : NULL,
		};
	}
	histogram_close(&times);
	hlog_close(hlog);
	return series;
}

/*
 * Returns the number of values in a histogram, which are all in the bucket of value_ns, or of
 * other_ns.
 */
static uint64_t count(const char *packed, uint64_t value_ns, uint64_t other_ns)
{
	struct hlog *hlog;
	struct histogram times;
	if (packed == NULL)
		return 0;
	assert_int_equal(hlog_open(&hlog), 0);
	assert_int_equal(histogram_open(&times), 0);
	assert_int_equal(hlog_decode(hlog, packed, &times), 0);
	uint64_t n = times.n;
	uint64_t n_known = times.counts[histogram_index(value_ns)];
	if (other_ns != value_ns)
		n_known += times.counts[histogram_index(other_ns)];
	assert_int_equal(n, n_known);
	histogram_close(&times);
	hlog_close(hlog);
	return n;
}

static void assert_in_order(const struct time_series *sum)
{
	for (size_t i = 1; i < sum->n; i++)
		assert_true(sum->list[i].start_ns >=
			    sum->list[i - 1].start_ns + sum->list[i - 1].length_ns);
}

TEST(one_alone_stays_as_it_is)
{
	struct time_series one = make(5, S, 100), sum;
	const struct series_part part = { &one, 0 };
	assert_int_equal(series_merge(&part, 1, &sum), 0);
	assert_int_equal(sum.n, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(sum.list[i].start_ns, i * S);
		assert_int_equal(sum.list[i].length_ns, S);
		assert_int_equal(sum.list[i].n_echoes, i + 1);
		assert_string_equal(sum.list[i].response, one.list[i].response);
	}
	time_series_close(&sum);
	time_series_close(&one);
}

TEST(runs_at_the_same_time_are_added)
{
	struct time_series one = make(4, S, 100), other = make(4, S, 5000), sum;
	const struct series_part parts[] = { { &one, 0 }, { &other, 400 * MS } };
	assert_int_equal(series_merge(parts, 2, &sum), 0);
	assert_int_equal(sum.n, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(sum.list[i].n_echoes, 2 * (i + 1));
		assert_int_equal(sum.list[i].bytes_verified, 20 * (i + 1));
		assert_int_equal(sum.list[i].n_failures, 2);
		assert_int_equal(count(sum.list[i].response, 100, 5000), 2 * (i + 1));
		assert_int_equal(count(sum.list[i].service, 100, 5000),
				 i % 2 == 0 ? 2 * (i + 1) : 0);
	}
	assert_in_order(&sum);
	assert_int_equal(sum.list[3].start_ns + sum.list[3].length_ns, 4 * S);
	time_series_close(&sum);
	time_series_close(&other);
	time_series_close(&one);
}

TEST(an_interval_goes_to_the_second_in_which_it_began)
{
	struct time_series one = make(2, S, 100), other = make(2, S, 5000), sum;
	const struct series_part parts[] = { { &one, 900 * MS }, { &other, 1600 * MS } };
	assert_int_equal(series_merge(parts, 2, &sum), 0);
	assert_int_equal(sum.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(sum.list[i].start_ns, i * S);
		assert_int_equal(sum.list[i].length_ns, S);
	}
	assert_int_equal(sum.list[0].n_echoes, 1);
	assert_int_equal(sum.list[1].n_echoes, 2 + 1);
	assert_int_equal(sum.list[2].n_echoes, 2);
	time_series_close(&sum);
	time_series_close(&other);
	time_series_close(&one);
}

TEST(one_that_began_later_is_later)
{
	struct time_series one = make(2, S, 100), other = make(2, S, 100), sum;
	const struct series_part parts[] = { { &other, 3600 * S + 600 * MS }, { &one, 0 } };
	assert_int_equal(series_merge(parts, 2, &sum), 0);
	assert_int_equal(sum.n, 4);
	assert_int_equal(sum.list[0].start_ns, 0);
	assert_int_equal(sum.list[2].start_ns, 3600 * S);
	assert_int_equal(sum.list[3].n_echoes, 2);
	assert_in_order(&sum);
	time_series_close(&sum);
	time_series_close(&other);
	time_series_close(&one);
}

TEST(intervals_of_different_length_go_to_the_longer)
{
	struct time_series fine = make(8, S, 100), coarse = make(2, 4 * S, 100), sum;
	const struct series_part parts[] = { { &fine, 0 }, { &coarse, 0 } };
	assert_int_equal(series_merge(parts, 2, &sum), 0);
	assert_int_equal(sum.n, 2);
	assert_int_equal(sum.list[0].n_echoes, 1 + 2 + 3 + 4 + 1);
	assert_int_equal(sum.list[1].n_echoes, 5 + 6 + 7 + 8 + 2);
	assert_in_order(&sum);
	time_series_close(&sum);
	time_series_close(&coarse);
	time_series_close(&fine);
}

TEST(what_is_too_long_is_folded)
{
	struct time_series one = make(SERIES_MERGE_MAX, S, 100), other = make(1, S, 100), sum;
	const struct series_part parts[] = { { &one, 0 }, { &other, SERIES_MERGE_MAX * S } };
	assert_int_equal(series_merge(parts, 2, &sum), 0);
	assert_int_equal(sum.n, SERIES_MERGE_MAX / 2 + 1);
	uint64_t n = 0;
	for (size_t i = 0; i < sum.n; i++)
		n += sum.list[i].n_echoes;
	assert_int_equal(n, SERIES_MERGE_MAX * (SERIES_MERGE_MAX + 1) / 2 + 1);
	assert_int_equal(sum.list[0].length_ns, 2 * S);
	assert_in_order(&sum);
	time_series_close(&sum);
	time_series_close(&other);
	time_series_close(&one);
}

TEST(what_is_no_histogram_is_an_error)
{
	struct time_series one = make(2, S, 100), sum;
	const struct series_part part = { &one, 0 };
	free(one.list[1].response);
	one.list[1].response = strdup("HISTF");
	assert_true(series_merge(&part, 1, &sum) < 0);
	time_series_close(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_alone_stays_as_it_is),
		cmocka_unit_test(runs_at_the_same_time_are_added),
		cmocka_unit_test(an_interval_goes_to_the_second_in_which_it_began),
		cmocka_unit_test(one_that_began_later_is_later),
		cmocka_unit_test(intervals_of_different_length_go_to_the_longer),
		cmocka_unit_test(what_is_too_long_is_folded),
		cmocka_unit_test(what_is_no_histogram_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
