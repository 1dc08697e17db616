/* SPDX-License-Identifier: MIT */
/*
 * The duration of a run is the time in which messages began: a slow reply at its end does not make
 * it longer.
 */
#include "client/load/load_sum.h"

#include "unit.h"

#define BEGIN  (10 * CLOCK_NS_PER_S)
#define SECOND CLOCK_NS_PER_S

/* A run of four seconds; a reply came a second after its end. */
static struct load_plan plan_of(bool is_open)
{
	return (struct load_plan){
		.is_open = is_open,
		.start_ns = BEGIN - SECOND,
		.warmup_ns = SECOND,
		.duration_ns = 4 * SECOND,
	};
}

static struct load_sum sum_of(uint64_t end_ns, uint64_t last_begun_ns)
{
	return (struct load_sum){
		.last_begun_ns = BEGIN + last_begun_ns,
		.last_back_ns = BEGIN + end_ns + SECOND,
		.end_ns = BEGIN + end_ns,
		.ended_ns = BEGIN + end_ns + SECOND,
	};
}

TEST(it_ends_with_the_schedule)
{
	struct load_sum sum = sum_of(4 * SECOND, 4 * SECOND - 1);
	for (int is_open = 0; is_open < 2; is_open++) {
		struct load_plan plan = plan_of(is_open);
		assert_int_equal(load_sum_elapsed_ns(&sum, &plan, false), 4 * SECOND);
	}
}

TEST(it_ends_with_the_signal)
{
	struct load_sum sum = sum_of(2 * SECOND, 2 * SECOND + SECOND / 2);
	for (int is_open = 0; is_open < 2; is_open++) {
		struct load_plan plan = plan_of(is_open);
		assert_int_equal(load_sum_elapsed_ns(&sum, &plan, true), 2 * SECOND);
	}
}

TEST(a_server_that_cannot_keep_up_makes_an_open_loop_longer)
{
	struct load_sum sum = sum_of(4 * SECOND, 6 * SECOND);
	struct load_plan open = plan_of(true), closed = plan_of(false);
	assert_int_equal(load_sum_elapsed_ns(&sum, &open, false), 6 * SECOND);
	assert_int_equal(load_sum_elapsed_ns(&sum, &closed, false), 4 * SECOND);
}

TEST(threads_that_end_early_end_it)
{
	struct load_sum sum = { .end_ns = BEGIN + 4 * SECOND, .ended_ns = BEGIN + SECOND };
	struct load_plan plan = plan_of(false);
	assert_int_equal(load_sum_elapsed_ns(&sum, &plan, false), SECOND);
}

TEST(before_the_measuring_it_is_none)
{
	struct load_sum sum = { .end_ns = BEGIN - 1, .ended_ns = BEGIN - 1 };
	struct load_plan plan = plan_of(true);
	assert_int_equal(load_sum_elapsed_ns(&sum, &plan, true), 0);
}

TEST(the_sum_has_the_latest_of_all_threads)
{
	struct load loads[] = {
		{ .last_begun_ns = 3, .last_back_ns = 1, .end_ns = 2, .ended_ns = 9 },
		{ .last_begun_ns = 2, .last_back_ns = 4, .end_ns = 5, .ended_ns = 8 },
	};
	struct load_sum sum = { 0 };
	load_sum_add(&sum, &loads[0]);
	load_sum_add(&sum, &loads[1]);
	assert_int_equal(sum.last_begun_ns, 3);
	assert_int_equal(sum.last_back_ns, 4);
	assert_int_equal(sum.end_ns, 5);
	assert_int_equal(sum.ended_ns, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_ends_with_the_schedule),
		cmocka_unit_test(it_ends_with_the_signal),
		cmocka_unit_test(a_server_that_cannot_keep_up_makes_an_open_loop_longer),
		cmocka_unit_test(threads_that_end_early_end_it),
		cmocka_unit_test(before_the_measuring_it_is_none),
		cmocka_unit_test(the_sum_has_the_latest_of_all_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
