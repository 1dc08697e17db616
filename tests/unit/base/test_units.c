/* SPDX-License-Identifier: MIT */
/*
 * Counts, durations and points in time are read as people write them, other text is refused, and a
 * printed value can be read again.
 */
#include "base/units.h"

#include "base/clock.h"
#include "base/err.h"
#include "unit.h"

#define US   UINT64_C(1000)
#define MS   CLOCK_NS_PER_MS
#define SEC  CLOCK_NS_PER_S
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)

/* A number that no row has. */
#define UNTOUCHED UINT64_C(0xdead)

struct row {
	const char *text;
	int rc;
	uint64_t value;
};

typedef int parse_fn(const char *text, uint64_t *ret_value);

static void assert_rows(parse_fn *parse, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;
		int rc = parse(rows[i].text, &value);
		uint64_t expected = rows[i].rc == 0 ? rows[i].value : UNTOUCHED;
		if (rc != rows[i].rc || value != expected)
			fail_msg("\"%s\" gave %s and %ju", rows[i].text, err_name(rc),
				 (uintmax_t)value);
	}
}

TEST(a_count_is_digits_and_nothing_but_digits)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "007", 0, 7 },
		{ "65535", 0, 65535 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", ERR_OUT_OF_RANGE },
		{ "18446744073709551620", ERR_OUT_OF_RANGE },
		{ "99999999999999999999999", ERR_OUT_OF_RANGE },
		{ "", ERR_NOT_A_NUMBER },
		{ " 1", ERR_NOT_A_NUMBER },
		{ "1 ", ERR_NOT_A_NUMBER },
		{ "+1", ERR_NOT_A_NUMBER },
		{ "-1", ERR_NOT_A_NUMBER },
		{ "1.5", ERR_NOT_A_NUMBER },
		{ "1k", ERR_NOT_A_NUMBER },
		{ "0x10", ERR_NOT_A_NUMBER },
		{ "1\n", ERR_NOT_A_NUMBER },
		{ "\xd9\xa1", ERR_NOT_A_NUMBER }, /* an Arabic one */
		{ "off", ERR_NOT_A_NUMBER },
	};
	assert_rows(units_parse_count, rows, ARRAY_LEN(rows));
}

TEST(a_size_is_in_powers_of_1024_and_a_rate_in_powers_of_1000)
{
	static const struct row sizes[] = {
		{ "0", 0, 0 },
		{ "64", 0, 64 },
		{ "4k", 0, 4096 },
		{ "4K", 0, 4096 },
		{ "1M", 0, 1 << 20 },
		{ "3G", 0, UINT64_C(3) << 30 },
		{ "17179869183G", 0, UINT64_C(17179869183) << 30 },
		{ "17179869184G", ERR_OUT_OF_RANGE },
		{ "18446744073709551615k", ERR_OUT_OF_RANGE },
		{ "", ERR_NOT_A_NUMBER },
		{ "k", ERR_NOT_A_NUMBER },
		{ "-1k", ERR_NOT_A_NUMBER },
		{ "1m", ERR_BAD_MULTIPLE },
		{ "1T", ERR_BAD_MULTIPLE },
		{ "1kB", ERR_BAD_MULTIPLE },
		{ "1 k", ERR_BAD_MULTIPLE },
		{ "1.5k", ERR_BAD_MULTIPLE },
	};
	static const struct row rates[] = {
		{ "500", 0, 500 },
		{ "10k", 0, 10000 },
		{ "2M", 0, 2000000 },
		{ "1G", 0, 1000000000 },
		{ "18446744073709552k", ERR_OUT_OF_RANGE },
		{ "10/s", ERR_BAD_MULTIPLE },
	};
	assert_rows(units_parse_size, sizes, ARRAY_LEN(sizes));
	assert_rows(units_parse_rate, rates, ARRAY_LEN(rates));
}

TEST(a_duration_is_a_number_and_its_unit)
{
	static const struct row rows[] = {
		{ "off", 0, 0 },
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "0h", 0, 0 },
		{ "10", 0, 10 * SEC },
		{ "10s", 0, 10 * SEC },
		{ "250ms", 0, 250 * MS },
		{ "5us", 0, 5 * US },
		{ "7ns", 0, 7 },
		{ "2m", 0, 2 * MIN },
		{ "1h", 0, HOUR },
		{ "0.5", 0, 500 * MS },
		{ "1.5s", 0, 1500 * MS },
		{ "0.25h", 0, 15 * MIN },
		{ "1.000000001s", 0, SEC + 1 },
		{ "0.1ms", 0, 100 * US },
		{ "1.50m", 0, 90 * SEC },
	};
	assert_rows(units_parse_duration, rows, ARRAY_LEN(rows));
}

TEST(what_is_finer_than_a_nanosecond_is_cut)
{
	static const struct row rows[] = {
		{ "1.9ns", 0, 1 },
		{ "0.0000000019s", 0, 1 },
		{ "1.0000000009999999999999999999999s", 0, SEC },
		{ "0.0000002020876m", 0, 12125 }, /* 12125.256: each digit counts */
		{ "0.0000000000027777h", 0, 9 },  /* 9.99972 */
		{ "0.0000000000027778h", 0, 10 }, /* 10.00008 */
		{ "0.99999999999999h", 0, HOUR - 1 },
	};
	assert_rows(units_parse_duration, rows, ARRAY_LEN(rows));
}

TEST(what_is_no_duration_is_refused_with_its_reason)
{
	static const struct row rows[] = {
		{ "", ERR_NOT_A_NUMBER },    { "s", ERR_NOT_A_NUMBER },
		{ ".5s", ERR_NOT_A_NUMBER }, { "5.", ERR_NOT_A_NUMBER },
		{ "5.s", ERR_NOT_A_NUMBER }, { "-1s", ERR_NOT_A_NUMBER },
		{ "+1s", ERR_NOT_A_NUMBER }, { " 1s", ERR_NOT_A_NUMBER },
		{ "Off", ERR_NOT_A_NUMBER }, { "never", ERR_NOT_A_NUMBER },
		{ "1d", ERR_BAD_UNIT },      { "1S", ERR_BAD_UNIT },
		{ "1 s", ERR_BAD_UNIT },     { "1s ", ERR_BAD_UNIT },
		{ "1m30s", ERR_BAD_UNIT },   { "1e3", ERR_BAD_UNIT },
		{ "1.5.5s", ERR_BAD_UNIT },  { "1sec", ERR_BAD_UNIT },
		{ "1,5s", ERR_BAD_UNIT },
	};
	assert_rows(units_parse_duration, rows, ARRAY_LEN(rows));
}

TEST(a_duration_ends_at_a_hundred_years)
{
	static const struct row rows[] = {
		{ "876000h", 0, 876000 * HOUR },
		{ "876001h", ERR_OUT_OF_RANGE },
		{ "876000.5h", ERR_OUT_OF_RANGE },
		{ "3153600000.000000001", ERR_OUT_OF_RANGE },
		{ "3153600000.0000000009", 0, 876000 * HOUR },
		{ "52560000m", 0, 876000 * HOUR },
		{ "52560001m", ERR_OUT_OF_RANGE },
		{ "3153600000", 0, 876000 * HOUR },
		{ "3153600001", ERR_OUT_OF_RANGE },
		{ "3153600000000000000ns", 0, 876000 * HOUR },
		{ "3153600000000000001ns", ERR_OUT_OF_RANGE },
		{ "18446744073709551615h", ERR_OUT_OF_RANGE },
		{ "99999999999999999999s", ERR_OUT_OF_RANGE },
	};
	assert_rows(units_parse_duration, rows, ARRAY_LEN(rows));
}

TEST(a_duration_is_printed_in_the_largest_unit_that_loses_nothing)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "0s" },           { 1, "1ns" },
		{ 1500, "1500ns" },    { 2 * US, "2us" },
		{ 250 * MS, "250ms" }, { 1500 * MS, "1500ms" },
		{ 10 * SEC, "10s" },   { 90 * SEC, "90s" },
		{ 2 * MIN, "2m" },     { 90 * MIN, "90m" },
		{ 48 * HOUR, "48h" },  { UINT64_MAX, "18446744073709551615ns" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(units_duration(rows[i].ns).text, rows[i].text);
}

TEST(every_duration_that_is_printed_reads_as_itself)
{
	for (uint64_t ns = 1; ns < 876000 * HOUR / 8; ns = ns * 7 + ns % 5) {
		uint64_t again = UNTOUCHED;
		assert_int_equal(units_parse_duration(units_duration(ns).text, &again), 0);
		assert_int_equal(again, ns);
	}
}

TEST(bytes_are_printed_in_powers_of_1024)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1024 * 1024 - 1, "1.0 MiB" },
		{ 10 * 1024 * 1024, "10.0 MiB" },
		{ UINT64_C(1) << 30, "1.0 GiB" },
		{ UINT64_C(1) << 40, "1.0 TiB" },
		{ UINT64_C(1) << 50, "1.0 PiB" },
		{ UINT64_C(1) << 60, "1.0 EiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(units_bytes(rows[i].bytes).text, rows[i].text);
}

TEST(a_count_has_its_noun_in_the_right_number)
{
	assert_string_equal(units_count(0, "client").text, "0 clients");
	assert_string_equal(units_count(1, "client").text, "1 client");
	assert_string_equal(units_count(2, "worker").text, "2 workers");
	assert_string_equal(units_count(UINT64_MAX, "worker").text, "18446744073709551615 workers");
}

#define NOW (UINT64_C(1795694400) * SEC) /* 2026-11-26T12:00:00Z */

static int parse_moment(const char *text, uint64_t *ret_ns)
{
	return units_parse_timestamp(text, NOW, ret_ns);
}

TEST(a_moment_is_a_time_of_day_or_seconds_since_1970_or_a_time_from_now)
{
	static const struct row rows[] = {
		{ "2026-11-26T12:00:00Z", 0, NOW },
		{ "2026-11-26t12:00:00z", 0, NOW },
		{ "2026-11-26 12:00:00Z", 0, NOW },
		{ "2026-11-26T12:00:00.25Z", 0, NOW + 250 * MS },
		{ "2026-11-26T12:00:00.0000000019Z", 0, NOW + 1 },
		{ "2026-11-26T14:00:00+02:00", 0, NOW },
		{ "2026-11-26T06:30:00-05:30", 0, NOW },
		{ "2026-11-26T12:00:00-00:00", 0, NOW },
		{ "2026-11-27T11:59:00+23:59", 0, NOW },
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "1969-12-31T23:00:00-01:00", 0, 0 },
		{ "2024-02-29T00:00:00Z", 0, UINT64_C(1709164800) * SEC },
		{ "2000-02-29T00:00:00Z", 0, UINT64_C(951782400) * SEC },
		{ "2016-12-31T23:59:60Z", 0, UINT64_C(1483228800) * SEC }, /* a leap second */
		{ "2500-12-31T23:59:59.999999999Z", 0, UINT64_C(16756761600) * SEC - 1 },
		{ "@1795694400", 0, NOW },
		{ "@1795694400.5", 0, NOW + 500 * MS },
		{ "@0", 0, 0 },
		{ "+5s", 0, NOW + 5 * SEC },
		{ "+1.5m", 0, NOW + 90 * SEC },
		{ "+10", 0, NOW + 10 * SEC },
	};
	assert_rows(parse_moment, rows, ARRAY_LEN(rows));
}

TEST(what_is_no_moment_is_refused_with_its_reason)
{
	static const struct row rows[] = {
		{ "", ERR_BAD_MOMENT },
		{ "12:00:00", ERR_BAD_MOMENT },
		{ "1795694400", ERR_BAD_MOMENT },
		{ "2026-11-26", ERR_BAD_MOMENT },
		{ "2026-11-26T12:00Z", ERR_BAD_MOMENT },
		{ "2026-11-26T12:00:00", ERR_BAD_MOMENT }, /* without a time zone */
		{ "2026-11-26T12:00:00.Z", ERR_BAD_MOMENT },
		{ "2026-11-26T12:00:00 Z", ERR_BAD_MOMENT },
		{ "2026-11-26T12:00:00Zz", ERR_BAD_MOMENT },
		{ "2026-11-26T12:00:00+02", ERR_BAD_MOMENT },
		{ "2026-11-26T12:00:00+0200", ERR_BAD_MOMENT },
		{ "2026-11-26T12:00:00+02:001", ERR_BAD_MOMENT },
		{ "2026-1-26T12:00:00Z", ERR_BAD_MOMENT },
		{ "+2026-11-26T12:00:00Z", ERR_BAD_UNIT },
		{ " 2026-11-26T12:00:00Z", ERR_BAD_MOMENT },
		{ "@", ERR_BAD_MOMENT },
		{ "@-1", ERR_BAD_MOMENT },
		{ "@5s", ERR_BAD_MOMENT },
		{ "@5.", ERR_BAD_MOMENT },
		{ "+", ERR_NOT_A_NUMBER },
		{ "+5d", ERR_BAD_UNIT },
		{ "+876001h", ERR_OUT_OF_RANGE },
		{ "@16756761600", ERR_OUT_OF_RANGE },
		{ "@99999999999999999999", ERR_OUT_OF_RANGE },
		{ "2026-02-29T12:00:00Z", ERR_OUT_OF_RANGE },
		{ "2100-02-29T12:00:00Z", ERR_OUT_OF_RANGE },
		{ "2026-13-01T12:00:00Z", ERR_OUT_OF_RANGE },
		{ "2026-00-01T12:00:00Z", ERR_OUT_OF_RANGE },
		{ "2026-11-00T12:00:00Z", ERR_OUT_OF_RANGE },
		{ "2026-11-31T12:00:00Z", ERR_OUT_OF_RANGE },
		{ "2026-11-26T24:00:00Z", ERR_OUT_OF_RANGE },
		{ "2026-11-26T12:60:00Z", ERR_OUT_OF_RANGE },
		{ "2026-11-26T12:00:61Z", ERR_OUT_OF_RANGE },
		{ "2026-11-26T12:00:00+24:00", ERR_OUT_OF_RANGE },
		{ "2026-11-26T12:00:00+00:60", ERR_OUT_OF_RANGE },
		{ "1969-12-31T23:59:59Z", ERR_OUT_OF_RANGE },
		{ "0000-01-01T00:00:00Z", ERR_OUT_OF_RANGE },
		{ "2501-01-01T00:00:00Z", ERR_OUT_OF_RANGE },
		{ "9999-12-31T23:59:60Z", ERR_OUT_OF_RANGE },
	};
	assert_rows(parse_moment, rows, ARRAY_LEN(rows));
}

TEST(a_moment_is_printed_to_the_nanosecond)
{
	assert_string_equal(units_timestamp(0).text, "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(units_timestamp(NOW + 1).text, "2026-11-26T12:00:00.000000001Z");
	assert_string_equal(units_timestamp(UINT64_C(16756761600) * SEC - 1).text,
			    "2500-12-31T23:59:59.999999999Z");
	assert_string_equal(units_timestamp(UINT64_MAX).text, "2554-07-21T23:34:33.709551615Z");
}

TEST(a_time_for_people_is_in_whole_seconds)
{
	assert_string_equal(units_utc(1795667777123456000).text, "2026-11-26 04:36:17 UTC");
	assert_string_equal(units_utc(UINT64_MAX).text, "2554-07-21 23:34:33 UTC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_is_digits_and_nothing_but_digits),
		cmocka_unit_test(a_size_is_in_powers_of_1024_and_a_rate_in_powers_of_1000),
		cmocka_unit_test(a_duration_is_a_number_and_its_unit),
		cmocka_unit_test(what_is_finer_than_a_nanosecond_is_cut),
		cmocka_unit_test(what_is_no_duration_is_refused_with_its_reason),
		cmocka_unit_test(a_duration_ends_at_a_hundred_years),
		cmocka_unit_test(a_duration_is_printed_in_the_largest_unit_that_loses_nothing),
		cmocka_unit_test(every_duration_that_is_printed_reads_as_itself),
		cmocka_unit_test(bytes_are_printed_in_powers_of_1024),
		cmocka_unit_test(
			a_moment_is_a_time_of_day_or_seconds_since_1970_or_a_time_from_now),
		cmocka_unit_test(what_is_no_moment_is_refused_with_its_reason),
		cmocka_unit_test(a_count_has_its_noun_in_the_right_number),
		cmocka_unit_test(a_moment_is_printed_to_the_nanosecond),
		cmocka_unit_test(a_time_for_people_is_in_whole_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
