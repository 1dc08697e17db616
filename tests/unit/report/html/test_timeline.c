/* SPDX-License-Identifier: MIT */
/* A series of any length becomes as many parts as can be drawn, and no count is lost. */
#include "report/html/timeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "unit.h"

static struct hlog *hlog;
static struct histogram work;
static struct time_series series;
static struct timeline timeline;

static int open_all(void **state)
{
	(void)state;
	return hlog_open(&hlog) < 0 || histogram_open(&work) < 0 ? -1 : 0;
}

static int close_all(void **state)
{
	(void)state;
	hlog_close(hlog);
	histogram_close(&work);
	return 0;
}

static int close_timeline(void **state)
{
	(void)state;
	timeline_close(&timeline);
	time_series_close(&series);
	return 0;
}

/* Makes n seconds: the i-th has i times of 1 us, and one of a ms. */
static void make(size_t n)
{
	series.list = calloc(n, sizeof(*series.list));
	assert_non_null(series.list);
	series.n = n;
	for (size_t i = 0; i < n; i++) {
		struct time_series_interval *interval = &series.list[i];
		histogram_reset(&work);
		histogram_record_n(&work, 1000, i);
		histogram_record(&work, 1000000);
		interval->start_ns = i * UINT64_C(1000000000);
		interval->length_ns = UINT64_C(1000000000);
		interval->n_echoes = i + 1;
		interval->n_failures = 2;
		interval->response = strdup(hlog_encode(hlog, &work));
	}
}

static uint64_t rows_of(const struct timeline_slice *slice)
{
	uint64_t n = 0;
	for (size_t i = 0; i < TIMELINE_ROWS; i++)
		n += slice->rows[i];
	return n;
}

static void assert_nothing_is_lost(size_t n)
{
	uint64_t n_echoes = 0, n_failures = 0, n_times = 0;
	for (size_t i = 0; i < timeline.n; i++) {
		n_echoes += timeline.slices[i].n_echoes;
		n_failures += timeline.slices[i].n_failures;
		n_times += rows_of(&timeline.slices[i]);
	}
	assert_int_equal(n_echoes, n * (n + 1) / 2);
	assert_int_equal(n_times, n_echoes);
	assert_int_equal(n_failures, 2 * n);
	assert_true(fabs(timeline_end_s(&timeline) - (double)n) < 1e-6);
}

TEST(nothing_known_is_no_slice)
{
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_int_equal(timeline.n, 0);
	assert_true(timeline_end_s(&timeline) == 0);
}

TEST(each_interval_is_a_slice_while_they_are_few)
{
	make(TIMELINE_SLICES_MAX);
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_int_equal(timeline.n, TIMELINE_SLICES_MAX);
	assert_int_equal(timeline.sum, 1);
	assert_nothing_is_lost(TIMELINE_SLICES_MAX);
	assert_true(timeline_rate(&timeline.slices[9]) == 10);
	assert_true(timeline_failure_rate(&timeline.slices[9]) == 2);
	assert_int_equal(histogram_index(timeline.slices[9].p50_ns), histogram_index(1000));
	assert_int_equal(histogram_index(timeline.slices[9].max_ns), histogram_index(1000000));
	/* Rows of 1 us and of 1 ms. */
	assert_int_equal(timeline.slices[9].rows[3 * TIMELINE_ROWS_PER_DECADE], 9);
	assert_int_equal(timeline.slices[9].rows[6 * TIMELINE_ROWS_PER_DECADE], 1);
}

TEST(many_intervals_are_added)
{
	static const size_t lengths[] = { TIMELINE_SLICES_MAX + 1, 3600, 3599 };
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		make(lengths[i]);
		assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
		assert_true(timeline.n <= TIMELINE_SLICES_MAX);
		assert_true(timeline.n * timeline.sum >= lengths[i]);
		assert_nothing_is_lost(lengths[i]);
		timeline_close(&timeline);
		time_series_close(&series);
	}
}

/* Moves the intervals from the i-th on by this number of seconds. */
static void pause_before(size_t i, uint64_t seconds)
{
	for (; i < series.n; i++)
		series.list[i].start_ns += seconds * UINT64_C(1000000000);
}

TEST(no_slice_reaches_over_a_pause_that_can_be_seen)
{
	/* 502 seconds, 9,000 without intervals, 498 more: a part has 42 seconds. */
	make(1000);
	pause_before(502, 9000);
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_true(timeline.n <= TIMELINE_SLICES_MAX);
	uint64_t n_echoes = 0;
	for (size_t i = 0; i < timeline.n; i++) {
		const struct timeline_slice *slice = &timeline.slices[i];
		assert_true(slice->end_s <= 502 || slice->start_s >= 9502);
		assert_true(fabs(slice->end_s - slice->start_s - slice->measured_s) < 1e-6);
		n_echoes += slice->n_echoes;
	}
	assert_int_equal(n_echoes, 1000 * 1001 / 2);
	assert_true(timeline_end_s(&timeline) == 10000);
}

TEST(a_slice_is_where_its_intervals_were)
{
	/* Every second one of 2,400 seconds was measured: a part has ten of them. */
	make(1200);
	for (size_t i = 0; i < series.n; i++) {
		series.list[i].start_ns = 2 * i * UINT64_C(1000000000);
		series.list[i].n_echoes = 100;
	}
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_int_equal(timeline.n, TIMELINE_SLICES_MAX);
	for (size_t i = 0; i < timeline.n; i++) {
		assert_true(fabs(timeline.slices[i].start_s - 10.0 * (double)i) < 1e-6);
		assert_true(fabs(timeline.slices[i].end_s - 10.0 * (double)i - 9) < 1e-6);
		assert_true(timeline_rate(&timeline.slices[i]) == 100);
	}
}

TEST(starts_that_are_rounded_fall_into_the_same_slice)
{
	make(3600);
	for (size_t i = 0; i < series.n; i++)
		series.list[i].start_ns += i % 3 * 10000 - (i > 0 ? 10000 : 0);
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_int_equal(timeline.n, TIMELINE_SLICES_MAX);
	assert_int_equal(timeline.sum, 15);
}

TEST(an_interval_in_which_nothing_came_back_is_a_slice)
{
	make(3);
	free(series.list[1].response);
	series.list[1].response = NULL;
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_int_equal(timeline.n, 3);
	assert_int_equal(timeline.slices[1].max_ns, 0);
	assert_int_equal(rows_of(&timeline.slices[1]), 0);
}

TEST(latency_of_every_magnitude_have_a_row)
{
	make(1);
	histogram_reset(&work);
	histogram_record(&work, 0);
	histogram_record(&work, 1);
	histogram_record(&work, HISTOGRAM_HIGHEST_NS);
	free(series.list[0].response);
	series.list[0].response = strdup(hlog_encode(hlog, &work));
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_int_equal(timeline.slices[0].rows[0], 2);
	assert_int_equal(rows_of(&timeline.slices[0]), 3);
}

TEST(intervals_of_no_length_have_no_rate)
{
	make(2);
	series.list[1].length_ns = 0;
	series.list[1].start_ns = UINT64_MAX;
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), 0);
	assert_true(timeline_rate(&timeline.slices[1]) == 0);
	assert_true(isfinite(timeline_end_s(&timeline)));
}

TEST(a_damaged_string_is_an_error)
{
	make(3);
	series.list[2].response[8] ^= 1;
	assert_int_equal(timeline_open(&series, hlog, &work, &timeline), ERR_HLOG_DAMAGED);
	assert_int_equal(timeline.n, 0);
}

#define TIMELINE_TEST(name) cmocka_unit_test_teardown(name, close_timeline)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TIMELINE_TEST(nothing_known_is_no_slice),
		TIMELINE_TEST(each_interval_is_a_slice_while_they_are_few),
		TIMELINE_TEST(many_intervals_are_added),
		TIMELINE_TEST(no_slice_reaches_over_a_pause_that_can_be_seen),
		TIMELINE_TEST(a_slice_is_where_its_intervals_were),
		TIMELINE_TEST(starts_that_are_rounded_fall_into_the_same_slice),
		TIMELINE_TEST(an_interval_in_which_nothing_came_back_is_a_slice),
		TIMELINE_TEST(latency_of_every_magnitude_have_a_row),
		TIMELINE_TEST(intervals_of_no_length_have_no_rate),
		TIMELINE_TEST(a_damaged_string_is_an_error),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
