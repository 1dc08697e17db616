/* SPDX-License-Identifier: MIT */
/* Times are read exactly, and the extremes of a histogram must match its counts. */
#include "report/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

static uint64_t moment(const char *text)
{
	uint64_t ns = 1;
	return reader_timestamp(text, &ns) ? ns : 0;
}

TEST(a_moment_is_read_to_the_nanosecond)
{
	assert_int_equal(moment("1970-01-01T00:00:01Z"), CLOCK_NS_PER_S);
	assert_int_equal(moment("2026-11-26T04:36:17.123456Z"), UINT64_C(1795667777123456000));
	assert_int_equal(moment("2026-11-26T04:36:17.1234567899Z"), UINT64_C(1795667777123456789));
	assert_int_equal(moment("2024-02-29T23:59:59Z"), UINT64_C(1709251199000000000));
}

TEST(a_moment_may_have_another_zone)
{
	assert_int_equal(moment("2018-04-03T16:32:58.5-07:00"), UINT64_C(1522798378500000000));
	assert_int_equal(moment("2018-04-03T16:32:58.5+05:30"), UINT64_C(1522753378500000000));
}

TEST(what_is_no_moment_is_not_read)
{
	static const char *const bad[] = {
		"",
		"now",
		"2026",
		"2026-11-26",
		"2026-11-26T04:36:17",
		"2026-11-26T04:36:17.5",
		"2026-11-26T04:36:17Zx",
		"2026-13-26T04:36:17Z",
		"1969-12-31T23:59:59Z",
		"2501-01-01T00:00:00Z",
		"1970-01-01T00:00:00+01:00",
		"2026-11-26T04:36:17+1:00",
		"2026-11-26T04:36:17+01-00",
		"2026-11-26T04:36:17+01:0x",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(moment(bad[i]), 0);
}

static uint64_t decimal(const char *text, uint64_t unit_ns)
{
	uint64_t ns;
	const char *at = text;
	return reader_decimal(&at, unit_ns, &ns) && *at == '\0' ? ns : UINT64_MAX;
}

TEST(a_decimal_is_exact_to_the_nearest_nanosecond)
{
	assert_int_equal(decimal("0", 1), 0);
	assert_int_equal(decimal("1.371", 1000000), 1371000);
	assert_int_equal(decimal("1.", 1000), 1000);
	assert_int_equal(decimal("0.9999995", 1000000), 1000000);
	assert_int_equal(decimal("0.9999994", 1000000), 999999);
	assert_int_equal(decimal("3153600000", CLOCK_NS_PER_S), READER_NS_MAX);
	assert_int_equal(decimal("0.00000000000000000000000000001", CLOCK_NS_PER_S), 0);
}

TEST(what_is_no_decimal_or_too_large_is_not_read)
{
	static const char *const bad[] = {
		"",    "-1",   "+1",  ".5",         "inf",
		"nan", "0x10", "1e3", "3153600001", "99999999999999999999999999",
		" 1"
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(decimal(bad[i], CLOCK_NS_PER_S), UINT64_MAX);
}

static struct histogram times;

static int open_times(void **state)
{
	(void)state;
	return histogram_open(&times);
}

static int close_times(void **state)
{
	(void)state;
	histogram_close(&times);
	return 0;
}

TEST(ends_within_their_buckets_are_taken)
{
	histogram_record_bucket(&times, histogram_index(1000000), 1);
	histogram_record_bucket(&times, histogram_index(5000000), 2);
	assert_true(reader_set_min_mean_max(&times, 1000100, 3000000, 5000001));
	assert_int_equal(histogram_min_ns(&times), 1000100);
	assert_int_equal(times.max_ns, 5000001);
	assert_int_equal(histogram_mean_ns(&times), 3000000);
}

TEST(ends_that_contradict_the_counts_are_not)
{
	histogram_record_bucket(&times, histogram_index(1000000), 1);
	histogram_record_bucket(&times, histogram_index(5000000), 2);
	assert_false(reader_set_min_mean_max(&times, 990000, 3000000, 5000000));
	assert_false(reader_set_min_mean_max(&times, 1000000, 3000000, 5010000));
	assert_false(reader_set_min_mean_max(&times, 1000000, 900000, 5000000));
	assert_false(reader_set_min_mean_max(&times, 1000000, 5010000, 5000000));
	histogram_reset(&times);
	assert_false(reader_set_min_mean_max(&times, 0, 0, 0));
	histogram_record_bucket(&times, histogram_index(1000000), 2); /* both in one bucket */
	assert_true(reader_set_min_mean_max(&times, 1000000, 1000050, 1000100));
	assert_false(reader_set_min_mean_max(&times, 1000100, 1000050, 1000000));
	assert_false(reader_set_min_mean_max(&times, 1000001, 1000000, 1000000));
}

TEST(an_end_that_was_rounded_out_of_its_bucket_is_put_back)
{
	size_t index = histogram_index(UINT64_C(1200000000000));
	uint64_t highest_ns = histogram_highest_ns(index);
	histogram_record_bucket(&times, index, 1);
	assert_true(
		reader_set_min_mean_max(&times, highest_ns + 4, highest_ns + 4, highest_ns + 4));
	assert_int_equal(times.max_ns, highest_ns);
	assert_int_equal(times.min_ns, highest_ns);
}

TEST(the_last_bucket_has_no_upper_end)
{
	histogram_record_bucket(&times, HISTOGRAM_BUCKETS - 1, 1);
	uint64_t above_ns = 2 * HISTOGRAM_HIGHEST_NS;
	assert_true(reader_set_min_mean_max(&times, above_ns, above_ns, above_ns));
	assert_int_equal(times.max_ns, above_ns);
}

TEST(what_a_terminal_would_obey_is_escaped_in_a_text)
{
	char *text = NULL;
	assert_int_equal(reader_keep_text(&text, "a\033[2J\n\xc3\xa9\xff", 9), 0);
	assert_string_equal(text, "a^[[2J^J\xc3\xa9\\xff");
	assert_int_equal(reader_keep_text(&text, "", 0), 0);
	assert_string_equal(text, "");
	free(text);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, open_times, close_times)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_moment_is_read_to_the_nanosecond),
		cmocka_unit_test(a_moment_may_have_another_zone),
		cmocka_unit_test(what_is_no_moment_is_not_read),
		cmocka_unit_test(a_decimal_is_exact_to_the_nearest_nanosecond),
		cmocka_unit_test(what_is_no_decimal_or_too_large_is_not_read),
		UNIT(ends_within_their_buckets_are_taken),
		UNIT(ends_that_contradict_the_counts_are_not),
		UNIT(an_end_that_was_rounded_out_of_its_bucket_is_put_back),
		UNIT(the_last_bucket_has_no_upper_end),
		cmocka_unit_test(what_a_terminal_would_obey_is_escaped_in_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
