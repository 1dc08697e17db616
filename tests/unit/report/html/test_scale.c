/* SPDX-License-Identifier: MIT */
/*
 * An axis covers everything that is drawn, from round number to round number, and its labels fit.
 */
#include "report/html/scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S  (1000 * MS)

/* Returns all names, with a space between them; optional ones in brackets. */
static const char *names_of(const struct scale_ticks *ticks)
{
	static char names[2048];
	names[0] = '\0';
	for (size_t i = 0; i < ticks->n; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names),
			 ticks->list[i].is_minor ? "%s(%s)" : "%s%s", i > 0 ? ", " : "",
			 ticks->list[i].label.text);
	return names;
}

static void assert_is_sound(const struct scale *scale, const struct scale_ticks *ticks)
{
	assert_true(scale->low < scale->high);
	assert_true(ticks->n >= 1);
	for (size_t i = 0; i < ticks->n; i++) {
		assert_true(ticks->list[i].at >= 0 && ticks->list[i].at <= 1);
		assert_true(i == 0 || ticks->list[i].at > ticks->list[i - 1].at);
	}
}

TEST(a_value_has_its_place)
{
	struct scale linear = { .low = 0, .high = 200 };
	assert_true(fabs(scale_at(&linear, 50) - 0.25) < 1e-12);
	assert_true(fabs(scale_at(&linear, 200) - 1) < 1e-12);
	struct scale log = { .is_log = true, .low = 10, .high = 1000 };
	assert_true(scale_at(&log, 10) == 0);
	assert_true(fabs(scale_at(&log, 100) - 0.5) < 1e-12);
}

TEST(what_is_beyond_an_end_is_at_it)
{
	struct scale linear = { .low = 0, .high = 200 };
	assert_true(scale_at(&linear, -1) == 0);
	assert_true(scale_at(&linear, 1e300) == 1);
	assert_true(scale_at(&linear, NAN) == 0);
	struct scale log = { .is_log = true, .low = 10, .high = 1000 };
	assert_true(scale_at(&log, 0) == 0);
	assert_true(scale_at(&log, 1e9) == 1);
}

TEST(latency_near_each_other_are_on_a_linear_axis_from_0)
{
	struct scale scale = scale_times(35 * US, 83 * US, 430 * US);
	struct scale_ticks ticks = scale_ticks_of_times(&scale);
	assert_false(scale.is_log);
	assert_string_equal(names_of(&ticks), "0, 100 µs, 200 µs, 300 µs, 400 µs, 500 µs");
	assert_true(ticks.list[ticks.n - 1].at == 1);

	scale = scale_times(1 * MS, 2 * MS, 2300 * US);
	ticks = scale_ticks_of_times(&scale);
	assert_string_equal(names_of(&ticks), "0, 500 µs, 1 ms, 1.5 ms, 2 ms, 2.5 ms");
}

TEST(a_long_tail_is_on_a_logarithmic_axis)
{
	struct scale scale = scale_times(35 * US, 83 * US, 212 * MS);
	struct scale_ticks ticks = scale_ticks_of_times(&scale);
	assert_true(scale.is_log && scale.low == 20e3 && scale.high == 500e6);
	assert_string_equal(names_of(&ticks), "100 µs, 1 ms, 10 ms, 100 ms");

	scale = scale_times(20 * US, 25 * US, 1900 * US);
	ticks = scale_ticks_of_times(&scale);
	assert_string_equal(names_of(&ticks), "20 µs, 50 µs, 100 µs, 200 µs, 500 µs, "
					      "1 ms, 2 ms");
}

TEST(a_time_that_is_alone_has_an_axis)
{
	struct scale scale = scale_times(1, 1, 1);
	struct scale_ticks ticks = scale_ticks_of_times(&scale);
	assert_is_sound(&scale, &ticks);
	scale = scale_times(0, 0, 0);
	ticks = scale_ticks_of_times(&scale);
	assert_is_sound(&scale, &ticks);
	scale = scale_log_times(0, 0);
	ticks = scale_ticks_of_times(&scale);
	assert_string_equal(names_of(&ticks), "1 ns, 2 ns");
	scale = scale_log_times(UINT64_MAX, 0); /* without values */
	ticks = scale_ticks_of_times(&scale);
	assert_is_sound(&scale, &ticks);
}

TEST(an_axis_reaches_from_a_nanosecond_to_an_hour)
{
	struct scale scale = scale_times(1, 100, 3600 * S);
	struct scale_ticks ticks = scale_ticks_of_times(&scale);
	assert_string_equal(names_of(&ticks), "1 ns, 10 ns, 100 ns, 1 µs, 10 µs, 100 µs, 1 ms, "
					      "10 ms, 100 ms, 1 s, 10 s, 100 s, 1000 s");
	scale = scale_times(0, 1, UINT64_MAX);
	ticks = scale_ticks_of_times(&scale);
	assert_is_sound(&scale, &ticks);
}

TEST(every_axis_of_times_holds_what_it_is_for)
{
	for (double least = 1; least < 4e12; least *= 1.37) {
		for (double most = least; most < 4e12; most *= 3.1) {
			struct scale scale = scale_times((uint64_t)least, (uint64_t)(1.5 * least),
							 (uint64_t)most);
			struct scale_ticks ticks = scale_ticks_of_times(&scale);
			assert_is_sound(&scale, &ticks);
			assert_true(scale.low <= floor(least) && scale.high >= floor(most));
			assert_true(ticks.n >= (scale.is_log ? 1 : 3) && ticks.n <= 14);
		}
	}
}

TEST(counts_go_from_0_to_a_round_number)
{
	struct scale scale = scale_counts(20576, 1);
	struct scale_ticks ticks = scale_ticks_of_counts(&scale);
	assert_string_equal(names_of(&ticks), "0, 5k, 10k, 15k, 20k, 25k");
	scale = scale_counts(0, 1);
	ticks = scale_ticks_of_counts(&scale);
	assert_string_equal(names_of(&ticks), "0, 0.2, 0.4, 0.6, 0.8, 1");
	scale = scale_counts(1e300, 1);
	ticks = scale_ticks_of_counts(&scale);
	assert_is_sound(&scale, &ticks);
}

static void assert_elapsed(double seconds, const char *names)
{
	struct scale scale = scale_elapsed(seconds);
	struct scale_ticks ticks = scale_ticks_of_elapsed(&scale);
	assert_is_sound(&scale, &ticks);
	assert_string_equal(names_of(&ticks), names);
}

TEST(time_goes_on_in_steps_that_people_count_in)
{
	assert_elapsed(0.5, "0 s, (0.1 s), 0.2 s, (0.3 s), 0.4 s, (0.5 s)");
	assert_elapsed(3, "0 s, (0.5 s), 1 s, (1.5 s), 2 s, (2.5 s), 3 s");
	assert_elapsed(60, "0 s, (10 s), 20 s, (30 s), 40 s, (50 s), 60 s");
	assert_elapsed(3600, "0 min, (10 min), 20 min, (30 min), 40 min, (50 min), 60 min");
	assert_elapsed(86400, "0 h, (4 h), 8 h, (12 h), 16 h, (20 h), 24 h");
	assert_elapsed(0, "0 ms, (0.2 ms), 0.4 ms, (0.6 ms), 0.8 ms, (1 ms)");
}

TEST(any_length_of_time_has_an_axis)
{
	for (double seconds = 1e-6; seconds < 4e9; seconds *= 1.3) {
		struct scale scale = scale_elapsed(seconds);
		struct scale_ticks ticks = scale_ticks_of_elapsed(&scale);
		assert_is_sound(&scale, &ticks);
		assert_true(ticks.n <= 12);
	}
}

static void assert_percentiles(uint64_t n, const char *names)
{
	struct scale scale = scale_percentiles(n);
	struct scale_ticks ticks = scale_ticks_of_percentiles(&scale);
	assert_is_sound(&scale, &ticks);
	assert_string_equal(names_of(&ticks), names);
}

TEST(percentiles_go_as_far_as_the_number_of_values_allows)
{
	assert_percentiles(0, "0%, (50%), 90%");
	assert_percentiles(1, "0%, (50%), 90%");
	assert_percentiles(1000, "0%, (50%), 90%, 99%, 99.9%");
	assert_percentiles(1000000, "0%, (50%), 90%, 99%, (99.9%), 99.99%, (99.999%), 99.9999%");
	assert_percentiles(UINT64_MAX, "0%, (50%), 90%, 99%, (99.9%), 99.99%, (99.999%), "
				       "99.9999%, (99.99999%), 99.999999%");
}

/* ---- powers of ten and logarithms ---- */

TEST(powers_are_exact_where_they_can_be)
{
	assert_true(scale_power_of_10(0) == 1);
	assert_true(scale_power_of_10(9) == 1e9);
	assert_true(scale_power_of_10(22) == 1e22);
	assert_true(scale_power_of_10(-3) == 1e-3);
}

TEST(a_power_of_ten_is_in_its_own_decade)
{
	for (int exponent = -290; exponent <= 290; exponent++) {
		assert_int_equal(scale_log10_floor(scale_power_of_10(exponent)), exponent);
		assert_int_equal(scale_log10_floor(scale_power_of_10(exponent) * 9.99), exponent);
	}
}

TEST(logarithms_are_those_of_libm)
{
	for (double value = 1e-290; value < 1e290; value *= 1.0371)
		assert_true(fabs(scale_log10(value) - log10(value)) < 1e-11);
	for (double value = 1; value < 10; value += 0.00037)
		assert_true(fabs(scale_log10(value) - log10(value)) < 1e-11);
	assert_true(scale_log10(1) == 0);
	assert_true(fabs(scale_log10(1.7e308) - log10(1.7e308)) < 1e-11);
	assert_true(fabs(scale_log10(nextafter(10, 0)) - 1) < 1e-11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_has_its_place),
		cmocka_unit_test(what_is_beyond_an_end_is_at_it),
		cmocka_unit_test(latency_near_each_other_are_on_a_linear_axis_from_0),
		cmocka_unit_test(a_long_tail_is_on_a_logarithmic_axis),
		cmocka_unit_test(a_time_that_is_alone_has_an_axis),
		cmocka_unit_test(an_axis_reaches_from_a_nanosecond_to_an_hour),
		cmocka_unit_test(every_axis_of_times_holds_what_it_is_for),
		cmocka_unit_test(counts_go_from_0_to_a_round_number),
		cmocka_unit_test(time_goes_on_in_steps_that_people_count_in),
		cmocka_unit_test(any_length_of_time_has_an_axis),
		cmocka_unit_test(percentiles_go_as_far_as_the_number_of_values_allows),
		cmocka_unit_test(powers_are_exact_where_they_can_be),
		cmocka_unit_test(a_power_of_ten_is_in_its_own_decade),
		cmocka_unit_test(logarithms_are_those_of_libm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
