/* SPDX-License-Identifier: MIT */
/* A series has every recorded count in the right interval, however long the run is. */
#include "stats/recorder.h"

#include <string.h>

#include "base/clock.h"
#include "unit.h"

static struct recorder recorder;
static struct result part;
static struct hlog *hlog;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(recorder_open(&recorder), 0);
	assert_int_equal(result_open(&part), 0);
	assert_int_equal(hlog_open(&hlog), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	recorder_close(&recorder);
	result_close(&part);
	hlog_close(hlog);
	return 0;
}

/* Records the k-th second: k echoes in k microseconds, and one failure. */
static void keep(uint64_t k, uint64_t length_ns)
{
	result_reset(&part);
	part.n_echoes = k;
	part.bytes_verified = 10 * k;
	result_fail(&part, "ended", 1);
	histogram_record_n(&part.response, 1000 * (k + 1), k);
	histogram_record_n(&part.service, 500 * (k + 1), k);
	assert_int_equal(recorder_add(&recorder, k * CLOCK_NS_PER_S, length_ns, &part), 0);
}

static uint64_t n_in(const char *packed, struct histogram *times)
{
	histogram_reset(times);
	if (packed != NULL)
		assert_int_equal(hlog_decode(hlog, packed, times), 0);
	return times->n;
}

/* Asserts that an interval is the sum of n seconds, from `first` on. */
static void is_sum_of(const struct time_series_interval *interval, uint64_t first, uint64_t n)
{
	uint64_t n_echoes = n * (2 * first + n - 1) / 2;
	assert_int_equal(interval->start_ns, first * CLOCK_NS_PER_S);
	assert_int_equal(interval->n_echoes, n_echoes);
	assert_int_equal(interval->bytes_verified, 10 * n_echoes);
	assert_int_equal(interval->n_failures, n);
	assert_int_equal(n_in(interval->response, &part.response), n_echoes);
	assert_int_equal(n_in(interval->service, &part.service), n_echoes);
	if (n_echoes == 0)
		return;
	uint64_t last = first + n - 1, least = first > 0 ? first : 1;
	assert_int_equal(histogram_index(part.response.max_ns), histogram_index(1000 * (last + 1)));
	assert_int_equal(histogram_index(histogram_min_ns(&part.service)),
			 histogram_index(500 * (least + 1)));
}

TEST(each_second_is_an_interval)
{
	struct time_series series;
	for (uint64_t k = 0; k < 5; k++)
		keep(k, CLOCK_NS_PER_S);
	assert_int_equal(recorder_finish(&recorder, &series), 0);
	assert_int_equal(series.n, 5);
	for (uint64_t k = 0; k < 5; k++) {
		is_sum_of(&series.list[k], k, 1);
		assert_int_equal(series.list[k].length_ns, CLOCK_NS_PER_S);
	}
	assert_null(series.list[0].response); /* no message came back */
	assert_null(series.list[0].service);
	time_series_close(&series);
}

TEST(nothing_is_a_series_without_intervals)
{
	struct time_series series;
	assert_int_equal(recorder_finish(&recorder, &series), 0);
	assert_int_equal(series.n, 0);
	time_series_close(&series);
}

TEST(a_rest_that_is_shorter_than_half_belongs_to_the_last_interval)
{
	struct time_series series;
	for (uint64_t k = 0; k < 3; k++)
		keep(k, CLOCK_NS_PER_S);
	keep(3, CLOCK_NS_PER_S / 2 - 1);
	assert_int_equal(recorder_finish(&recorder, &series), 0);
	assert_int_equal(series.n, 3);
	is_sum_of(&series.list[2], 2, 2);
	assert_int_equal(series.list[2].length_ns, CLOCK_NS_PER_S + CLOCK_NS_PER_S / 2 - 1);
	time_series_close(&series);
}

TEST(a_rest_of_half_or_more_and_one_that_is_all_are_intervals)
{
	struct time_series series;
	keep(0, CLOCK_NS_PER_S);
	keep(1, CLOCK_NS_PER_S / 2);
	assert_int_equal(recorder_finish(&recorder, &series), 0);
	assert_int_equal(series.n, 2);
	is_sum_of(&series.list[1], 1, 1);
	time_series_close(&series);
	recorder_close(&recorder);

	assert_int_equal(recorder_open(&recorder), 0);
	keep(0, 7);
	assert_int_equal(recorder_finish(&recorder, &series), 0);
	assert_int_equal(series.n, 1);
	assert_int_equal(series.list[0].length_ns, 7);
	time_series_close(&series);
}

/* A run of n_seconds has intervals of `length` seconds, and the last one has the rest. */
static void lasts(uint64_t n_seconds, uint64_t length, size_t n_intervals)
{
	struct time_series series;
	recorder_close(&recorder);
	assert_int_equal(recorder_open(&recorder), 0);
	for (uint64_t k = 0; k < n_seconds; k++) {
		keep(k, CLOCK_NS_PER_S);
		assert_true(recorder.series.n <= RECORDER_INTERVALS_MAX);
	}
	assert_int_equal(recorder_finish(&recorder, &series), 0);
	assert_int_equal(series.n, n_intervals);
	for (size_t i = 0; i < series.n; i++) {
		uint64_t first = i * length;
		uint64_t n = i + 1 < series.n ? length : n_seconds - first;
		is_sum_of(&series.list[i], first, n);
		assert_int_equal(series.list[i].length_ns, n * CLOCK_NS_PER_S);
	}
	time_series_close(&series);
}

TEST(neighbours_are_added_when_there_is_no_room)
{
	lasts(3599, 1, 3599);
	lasts(3600, 1, 3600);
	lasts(3601, 2, 1801);
	lasts(3602, 2, 1801);
	lasts(5000, 2, 2500);
	lasts(7200, 2, 3600);
	/* a second is less than half of two, so it is added to the last interval */
	lasts(7201, 4, 1800);
	lasts(7203, 4, 1801);
}

TEST(neighbours_are_added_when_their_histograms_are_too_large)
{
	struct time_series series;
	size_t n_bytes = 0;
	uint64_t n_echoes = 0;
	recorder.n_bytes_max = 20000; /* an interval takes about 150 */
	for (uint64_t k = 0; k < 500; k++) {
		keep(k, CLOCK_NS_PER_S);
		assert_true(recorder.n_bytes < 22000);
	}
	assert_int_equal(recorder_finish(&recorder, &series), 0);
	for (size_t i = 0; i < series.n; i++) {
		n_bytes += time_series_interval_bytes(&series.list[i]);
		n_echoes += series.list[i].n_echoes;
	}
	assert_true(n_bytes < 22000);
	assert_int_equal(n_echoes, 500 * 499 / 2);
	for (size_t i = 0; i + 1 < series.n; i++) {
		uint64_t end_ns = series.list[i].start_ns + series.list[i].length_ns;
		assert_int_equal(series.list[i].length_ns, series.list[0].length_ns);
		assert_int_equal(end_ns, series.list[i + 1].start_ns);
	}
	time_series_close(&series);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_second_is_an_interval, begin, end),
		cmocka_unit_test_setup_teardown(nothing_is_a_series_without_intervals, begin, end),
		cmocka_unit_test_setup_teardown(
			a_rest_that_is_shorter_than_half_belongs_to_the_last_interval, begin, end),
		cmocka_unit_test_setup_teardown(
			a_rest_of_half_or_more_and_one_that_is_all_are_intervals, begin, end),
		cmocka_unit_test_setup_teardown(neighbours_are_added_when_there_is_no_room, begin,
						end),
		cmocka_unit_test_setup_teardown(
			neighbours_are_added_when_their_histograms_are_too_large, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
