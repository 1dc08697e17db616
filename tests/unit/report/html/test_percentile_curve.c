/* SPDX-License-Identifier: MIT */
/* A curve goes through the percentiles, with few corners and any number of values. */
#include "report/html/percentile_curve.h"

#include <math.h>

#include "unit.h"

static struct histogram given;
static struct curve_point corners[CURVE_POINTS_MAX];
static struct scale percentiles, times;
static size_t n_corners;

static int open_given(void **state)
{
	(void)state;
	return histogram_open(&given);
}

static int close_given(void **state)
{
	(void)state;
	histogram_close(&given);
	return 0;
}

static void draw(void)
{
	percentiles = scale_percentiles(given.n);
	times = scale_log_times(histogram_min_ns(&given), given.max_ns);
	n_corners = curve_corners(&given, &percentiles, &times, corners);
}

static double height_of(uint64_t ns)
{
	return PLOT_EXTENT * (1 - scale_at(&times, (double)ns));
}

/* Returns the height of the curve at x: that of the last corner at or before it. */
static double drawn_at(double x)
{
	size_t i = 0;
	while (i + 1 < n_corners && corners[i + 1].x <= x)
		i++;
	return corners[i].y;
}

static void assert_is_a_curve(void)
{
	assert_true(n_corners >= 2 && n_corners <= CURVE_POINTS_MAX);
	for (size_t i = 0; i < n_corners; i++) {
		assert_true(corners[i].x >= 0 && corners[i].x <= PLOT_EXTENT);
		assert_true(corners[i].y >= 0 && corners[i].y <= PLOT_EXTENT);
		assert_true(i == 0 || corners[i].x >= corners[i - 1].x);
		assert_true(i == 0 || corners[i].y <= corners[i - 1].y + 1e-9);
	}
	assert_true(fabs(corners[0].y - height_of(histogram_min_ns(&given))) < 1e-9);
	assert_true(fabs(corners[n_corners - 1].y - height_of(given.max_ns)) < 1e-9);
}

/* The curve may be a unit to the left or the right of the true point, and two above or below. */
static void assert_percentiles_are_on_it(void)
{
	for (double decades = 0; decades < percentiles.high; decades += 0.037) {
		double x = PLOT_EXTENT * scale_at(&percentiles, decades);
		double percent = 100 - 100 / exp10(decades);
		double y = height_of(histogram_percentile_ns(&given, percent));
		assert_true(drawn_at(x - 1.1) + 2.1 >= y);
		assert_true(drawn_at(x + 1.1) - 2.1 <= y);
	}
}

TEST(a_single_value_is_a_level_line)
{
	histogram_record(&given, 83211);
	draw();
	assert_is_a_curve();
	assert_true(corners[0].y == corners[n_corners - 1].y);
	assert_true(corners[n_corners - 1].x > 250);
}

TEST(few_values_are_steps)
{
	for (uint64_t i = 1; i <= 4; i++)
		histogram_record(&given, i * 1000);
	draw();
	assert_is_a_curve();
	/* A quarter of the values is not above the first. */
	assert_true(fabs(drawn_at(PLOT_EXTENT * scale_at(&percentiles, log10(4 / 3.0)) - 1) -
			 height_of(1000)) < 1);
	assert_true(fabs(drawn_at(PLOT_EXTENT * scale_at(&percentiles, log10(4 / 3.0)) + 1) -
			 height_of(2000)) < 1);
	assert_percentiles_are_on_it();
}

TEST(many_values_that_are_one_are_a_step)
{
	histogram_record_n(&given, 1000, 990);
	histogram_record_n(&given, 1000000, 10);
	draw();
	assert_is_a_curve();
	double x = PLOT_EXTENT * scale_at(&percentiles, 2);
	assert_true(fabs(drawn_at(x - 1) - height_of(1000)) < 1);
	assert_true(fabs(drawn_at(x + 1) - height_of(1000000)) < 1);
	assert_percentiles_are_on_it();
}

TEST(many_values_have_few_corners)
{
	uint64_t dice = 1;
	for (size_t i = 0; i < 300000; i++) {
		dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		double part = (double)(dice >> 40) / (1 << 24);
		histogram_record(&given, (uint64_t)(1000 / (part + 1e-6)));
	}
	draw();
	assert_is_a_curve();
	assert_percentiles_are_on_it();
}

TEST(every_bucket_filled_has_few_corners)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram_record_n(&given, histogram_lowest_ns(i), 1 + i % 7);
	draw();
	assert_is_a_curve();
	assert_percentiles_are_on_it();
}

TEST(as_many_values_as_can_be_end_at_the_edge)
{
	histogram_record_n(&given, 100, INT64_MAX - 1);
	histogram_record(&given, 1000000);
	draw();
	assert_is_a_curve();
	assert_true(corners[n_corners - 1].x == PLOT_EXTENT);
}

TEST(an_hour_and_more_is_on_it)
{
	histogram_record(&given, 0);
	histogram_record(&given, 1);
	histogram_record(&given, 2 * HISTOGRAM_HIGHEST_NS);
	draw();
	assert_is_a_curve();
}

#define CURVE_TEST(name) cmocka_unit_test_setup_teardown(name, open_given, close_given)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CURVE_TEST(a_single_value_is_a_level_line),
		CURVE_TEST(few_values_are_steps),
		CURVE_TEST(many_values_that_are_one_are_a_step),
		CURVE_TEST(many_values_have_few_corners),
		CURVE_TEST(every_bucket_filled_has_few_corners),
		CURVE_TEST(as_many_values_as_can_be_end_at_the_edge),
		CURVE_TEST(an_hour_and_more_is_on_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
