/* SPDX-License-Identifier: MIT */
/* The start of a merged run is only as good as its worst part; a line describes what is known. */
#include "report/start_time_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

#define NOON (UINT64_C(1795694400) * CLOCK_NS_PER_S) /* 2026-11-26T12:00:00Z */

static const struct start_time good = {
	.wanted_ns = NOON,
	.is_clock_known = true,
	.clock = { .is_synchronised = true, .max_error_ns = 1500 * 1000 },
};

TEST(the_sum_of_starts_is_the_worst_of_them)
{
	struct start_time sum = good;
	struct start_time late = good;
	late.late_ns = 7;
	late.clock.max_error_ns = 9;
	start_time_add(&sum, &late);
	assert_int_equal(sum.wanted_ns, NOON);
	assert_int_equal(sum.late_ns, 7);
	assert_true(sum.is_clock_known && sum.clock.is_synchronised);
	assert_int_equal(sum.clock.max_error_ns, 1500 * 1000);

	start_time_add(&late, &good);
	assert_int_equal(late.late_ns, 7);
	assert_int_equal(late.clock.max_error_ns, 1500 * 1000);
}

TEST(one_clock_that_nothing_keeps_right_is_enough)
{
	struct start_time sum = good;
	const struct start_time other = { .wanted_ns = NOON, .is_clock_known = true };
	start_time_add(&sum, &other);
	assert_true(sum.is_clock_known);
	assert_false(sum.clock.is_synchronised);

	const struct start_time unset = { .wanted_ns = NOON };
	start_time_add(&sum, &unset);
	assert_false(sum.is_clock_known);
}

TEST(there_is_no_moment_of_all_where_they_differ)
{
	struct start_time sum = good;
	const struct start_time other = { .wanted_ns = NOON + 1 };
	start_time_add(&sum, &other);
	assert_int_equal(sum.wanted_ns, 0);
}

static void assert_line(const struct start_time *start, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	start_time_write_text(out, start);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

TEST(a_line_states_whether_it_was_in_time_and_by_which_clock)
{
	struct start_time start = good;
	assert_line(&start, "start at      2026-11-26T12:00:00.000000000Z, on time; this machine's "
			    "clock is synchronised within 1500.0 us\n");
	start.late_ns = 12 * CLOCK_NS_PER_MS;
	start.clock.is_synchronised = false;
	assert_line(&start, "start at      2026-11-26T12:00:00.000000000Z, 0.012 s late; this "
			    "machine's clock is not synchronised\n");
	start.is_clock_known = false;
	assert_line(&start, "start at      2026-11-26T12:00:00.000000000Z, 0.012 s late; the state "
			    "of this machine's clock is unknown\n");
	start.wanted_ns = 0;
	assert_line(&start, "");
}

static void assert_json(const struct start_time *start, const char *expected)
{
	json_t *json = start_time_json(start);
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12));
	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

TEST(a_document_has_the_same_facts)
{
	struct start_time start = good;
	start.late_ns = 2500;
	assert_json(&start, "{\"start_wanted\":\"2026-11-26T12:00:00.000000000Z\","
			    "\"start_late_us\":2.5,"
			    "\"clock\":{\"synchronised\":true,\"max_error_us\":1500.0}}");
	start = (struct start_time){ .is_clock_known = true };
	assert_json(&start, "{\"start_wanted\":null,\"start_late_us\":null,"
			    "\"clock\":{\"synchronised\":false,\"max_error_us\":null}}");
	start.is_clock_known = false;
	assert_json(&start, "{\"start_wanted\":null,\"start_late_us\":null,\"clock\":null}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_of_starts_is_the_worst_of_them),
		cmocka_unit_test(one_clock_that_nothing_keeps_right_is_enough),
		cmocka_unit_test(there_is_no_moment_of_all_where_they_differ),
		cmocka_unit_test(a_line_states_whether_it_was_in_time_and_by_which_clock),
		cmocka_unit_test(a_document_has_the_same_facts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
