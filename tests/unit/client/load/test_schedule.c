/* SPDX-License-Identifier: MIT */
/*
 * The send times of an open loop are known in advance: evenly spread, each connection in turn, and
 * exact however long the run is.
 */
#include "client/load/schedule.h"

#include "unit.h"

#define START UINT64_C(1000)

static const struct schedule schedule = { START, 1000, 7 };

TEST(the_first_is_due_at_the_start)
{
	assert_int_equal(schedule_due_ns(&schedule, 0, 0), START);
}

TEST(connections_take_turns)
{
	for (uint64_t c = 0; c < 7; c++) {
		assert_int_equal(schedule_due_ns(&schedule, c, 0), START + c * CLOCK_NS_PER_MS);
		assert_int_equal(schedule_due_ns(&schedule, c, 1),
				 START + (c + 7) * CLOCK_NS_PER_MS);
	}
}

TEST(a_rate_that_divides_no_second_is_kept_all_the_same)
{
	const struct schedule third = { START, 3, 1 };
	assert_int_equal(schedule_due_ns(&third, 0, 1), START + CLOCK_NS_PER_S / 3);
	assert_int_equal(schedule_due_ns(&third, 0, 3), START + CLOCK_NS_PER_S);
	assert_int_equal(schedule_due_ns(&third, 0, 3000000), START + 1000000 * CLOCK_NS_PER_S);
}

TEST(a_million_connections_at_a_thousand_million_for_a_year_do_not_overflow)
{
	const struct schedule fast = { START, 1000000000, 1000000 };
	uint64_t year_s = UINT64_C(365) * 24 * 3600;
	assert_int_equal(schedule_due_ns(&fast, 0, year_s * 1000), START + year_s * CLOCK_NS_PER_S);
}

/* Counts the messages by testing each one. */
static uint64_t n_before(const struct schedule *of, uint64_t c, uint64_t end_ns)
{
	uint64_t k = 0;
	while (schedule_due_ns(of, c, k) < end_ns)
		k++;
	return k;
}

TEST(as_many_are_due_before_a_time_as_are_seen_to_be)
{
	const uint64_t rates[] = { 1, 3, 7, 999, 1000000000 };
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		const struct schedule of = { START, rates[i], 3 };
		for (uint64_t n = 0; n < 12; n++)
			for (uint64_t c = 0; c < 3; c++)
				for (uint64_t off = 0; off < 3; off++) {
					uint64_t at = START + n * CLOCK_NS_PER_S / rates[i] + off;
					assert_int_equal(schedule_due_before(&of, c, at),
							 n_before(&of, c, at));
				}
	}
	assert_int_equal(schedule_due_before(&schedule, 0, START - 1), 0);
}

TEST(the_number_due_in_a_year_is_exact)
{
	const struct schedule fast = { START, 1000000000, 1000000 };
	uint64_t year_s = UINT64_C(365) * 24 * 3600;
	uint64_t end_ns = START + year_s * CLOCK_NS_PER_S;
	assert_int_equal(schedule_due_before(&fast, 0, end_ns), year_s * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_due_at_the_start),
		cmocka_unit_test(connections_take_turns),
		cmocka_unit_test(a_rate_that_divides_no_second_is_kept_all_the_same),
		cmocka_unit_test(
			a_million_connections_at_a_thousand_million_for_a_year_do_not_overflow),
		cmocka_unit_test(as_many_are_due_before_a_time_as_are_seen_to_be),
		cmocka_unit_test(the_number_due_in_a_year_is_exact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
