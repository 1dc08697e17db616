/* SPDX-License-Identifier: MIT */
/* Published counts arrive exactly once, and neither side waits. */
#include "client/load/interval_buffer.h"

#include "unit.h"

static struct interval_buffer buffer;
static struct result counts, taken;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(interval_buffer_open(&buffer), 0);
	assert_int_equal(result_open(&counts), 0);
	assert_int_equal(result_open(&taken), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	interval_buffer_close(&buffer);
	result_close(&counts);
	result_close(&taken);
	return 0;
}

static void count(uint64_t n)
{
	counts.n_echoes += n;
	histogram_record_n(&counts.response, 1000, n);
	result_fail(&counts, "ended", n);
}

static void has_taken(uint64_t n)
{
	assert_int_equal(taken.n_echoes, n);
	assert_int_equal(taken.response.n, n);
	assert_int_equal(result_failures(&taken), n);
}

TEST(at_first_there_is_nothing_to_take)
{
	assert_int_equal(interval_buffer_take(&buffer, &taken), 0);
	has_taken(0);
}

TEST(what_is_handed_over_is_taken_once)
{
	count(3);
	assert_true(interval_buffer_put(&buffer, &counts, 1));
	assert_int_equal(counts.n_echoes, 0);
	assert_int_equal(counts.response.n, 0);
	assert_int_equal(interval_buffer_take(&buffer, &taken), 1);
	has_taken(3);
	assert_int_equal(interval_buffer_take(&buffer, &taken), 0);
	has_taken(3);
	/* A returned buffer does not deliver the same counts again. */
	assert_true(interval_buffer_put(&buffer, &counts, 2));
	assert_int_equal(counts.n_echoes, 0);
	assert_int_equal(interval_buffer_take(&buffer, &taken), 2);
	assert_true(interval_buffer_put(&buffer, &counts, 3));
	assert_int_equal(interval_buffer_take(&buffer, &taken), 3);
	has_taken(3);
}

TEST(what_is_not_taken_yet_stays_and_the_thread_counts_on)
{
	count(1);
	assert_true(interval_buffer_put(&buffer, &counts, 1));
	count(10);
	assert_false(interval_buffer_put(&buffer, &counts, 2));
	count(100);
	assert_int_equal(counts.n_echoes, 110);
	assert_int_equal(interval_buffer_take(&buffer, &taken), 1);
	has_taken(1);
	assert_true(interval_buffer_put(&buffer, &counts, 3));
	assert_int_equal(interval_buffer_take(&buffer, &taken), 3);
	has_taken(111);
}

TEST(nothing_can_be_handed_over_too)
{
	assert_true(interval_buffer_put(&buffer, &counts, 1));
	assert_int_equal(interval_buffer_take(&buffer, &taken), 1);
	has_taken(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(at_first_there_is_nothing_to_take, begin, end),
		cmocka_unit_test_setup_teardown(what_is_handed_over_is_taken_once, begin, end),
		cmocka_unit_test_setup_teardown(
			what_is_not_taken_yet_stays_and_the_thread_counts_on, begin, end),
		cmocka_unit_test_setup_teardown(nothing_can_be_handed_over_too, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
