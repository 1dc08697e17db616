/* SPDX-License-Identifier: MIT */
/* A number is shown with its known digits, in a suitable unit. */
#include "report/html/format.h"

#include "unit.h"

#define SECOND UINT64_C(1000000000)

TEST(latency_have_four_digits)
{
	assert_string_equal(format_time(0).text, "0 ns");
	assert_string_equal(format_time(1).text, "1 ns");
	assert_string_equal(format_time(999).text, "999 ns");
	assert_string_equal(format_time(1000).text, "1.000 µs");
	assert_string_equal(format_time(83211).text, "83.21 µs");
	assert_string_equal(format_time(341049).text, "341.0 µs");
	assert_string_equal(format_time(1234567).text, "1.235 ms");
	assert_string_equal(format_time(75 * SECOND).text, "75.00 s");
	assert_string_equal(format_time(3600 * SECOND).text, "3,600 s");
}

TEST(what_is_rounded_up_to_the_next_unit_is_in_it)
{
	assert_string_equal(format_time(9999).text, "9.999 µs");
	assert_string_equal(format_time(99996).text, "100.0 µs");
	assert_string_equal(format_time(999949).text, "999.9 µs");
	assert_string_equal(format_time(999951).text, "1.000 ms");
	assert_string_equal(format_time(UINT64_MAX).text, "18,446,744,074 s");
}

TEST(round_times_are_short)
{
	assert_string_equal(format_round_time(1).text, "1 ns");
	assert_string_equal(format_round_time(500).text, "500 ns");
	assert_string_equal(format_round_time(2e4).text, "20 µs");
	assert_string_equal(format_round_time(1.5e6).text, "1.5 ms");
	assert_string_equal(format_round_time(5e12).text, "5000 s");
}

TEST(counts_are_whole_and_in_thousands)
{
	assert_string_equal(format_count(0).text, "0");
	assert_string_equal(format_count(999).text, "999");
	assert_string_equal(format_count(1000).text, "1,000");
	assert_string_equal(format_count(1234567).text, "1,234,567");
	assert_string_equal(format_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

TEST(round_counts_are_short)
{
	assert_string_equal(format_round_count(0.2).text, "0.2");
	assert_string_equal(format_round_count(500).text, "500");
	assert_string_equal(format_round_count(20000).text, "20k");
	assert_string_equal(format_round_count(1.5e6).text, "1.5M");
}

TEST(rates_are_counts_a_second)
{
	assert_string_equal(format_rate(0).text, "0.000/s");
	assert_string_equal(format_rate(12.345).text, "12.35/s");
	assert_string_equal(format_rate(999.94).text, "999.9/s");
	assert_string_equal(format_rate(20576.4).text, "20,576/s");
}

TEST(seconds_are_told_to_the_millisecond)
{
	assert_string_equal(format_seconds(60).text, "60 s");
	assert_string_equal(format_seconds(0).text, "0 s");
	assert_string_equal(format_seconds(0.25).text, "0.25 s");
	assert_string_equal(format_seconds(1.0004).text, "1 s");
}

TEST(moments_are_in_utc)
{
	assert_string_equal(format_moment(1795667777123456000).text, "2026-11-26 04:36:17 UTC");
	assert_string_equal(format_moment(UINT64_MAX).text, "2554-07-21 23:34:33 UTC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latency_have_four_digits),
		cmocka_unit_test(what_is_rounded_up_to_the_next_unit_is_in_it),
		cmocka_unit_test(round_times_are_short),
		cmocka_unit_test(counts_are_whole_and_in_thousands),
		cmocka_unit_test(round_counts_are_short),
		cmocka_unit_test(rates_are_counts_a_second),
		cmocka_unit_test(seconds_are_told_to_the_millisecond),
		cmocka_unit_test(moments_are_in_utc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
