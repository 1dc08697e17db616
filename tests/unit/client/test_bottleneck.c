/* SPDX-License-Identifier: MIT */
/*
 * When a run is no measurement because the client was the limit: decided by what its threads used.
 */
#include "client/bottleneck.h"

#include <string.h>

#include "base/clock.h"
#include "unit.h"

#define MS CLOCK_NS_PER_MS

/* A thread that ran a tenth of two seconds, and never lacked CPU. */
static struct bottleneck_usage idle_thread(void)
{
	return (struct bottleneck_usage){
		.n_threads = 1,
		.elapsed_ns = 2000 * MS,
		.cpu_ns = 200 * MS,
		.busiest = 0.1,
	};
}

static char text[BOTTLENECK_SIZE];

/*
 * Checks whether a client with this one thread is the limit, with this word in the reason. NULL:
 * not the limit.
 */
static void check(const struct bottleneck_usage *use, bool is_closed, const char *word)
{
	struct bottleneck_usage all = { 0 };
	bottleneck_add(&all, use);
	*text = '\0';
	assert_true(bottleneck_describe(&all, is_closed, text) == (word != NULL));
	if (word != NULL)
		assert_non_null(strstr(text, word));
	else
		assert_string_equal(text, "");
}

TEST(a_thread_that_lacks_nothing_is_no_limit)
{
	struct bottleneck_usage use = idle_thread();
	check(&use, true, NULL);
	check(&use, false, NULL);
}

TEST(a_long_gap_is_a_limit_and_a_short_one_is_not)
{
	struct bottleneck_usage use = idle_thread();
	assert_false(bottleneck_note_gap(&use, 1000 * MS, 1009 * MS));
	assert_true(bottleneck_note_gap(&use, 1000 * MS, 1011 * MS));
	check(&use, true, NULL);
	assert_true(bottleneck_note_gap(&use, 1000 * MS, 1300 * MS));
	check(&use, true,
	      "was not running (stopped, preempted or suspended) for 311.0 ms in total, "
	      "300.0 ms at a time at most");
	check(&use, false, "was not running");
}

TEST(waiting_for_a_core_is_a_limit)
{
	struct bottleneck_usage use = idle_thread();
	use.waited = 0.09;
	check(&use, true, NULL);
	use.waited = 0.54;
	check(&use, true, "waited for a core for 54 % of the time");
}

TEST(a_machine_that_was_suspended_is_a_limit)
{
	struct bottleneck_usage use = idle_thread();
	use.suspended_ns = 5000 * MS;
	check(&use, true, "suspended for 5.0 s");
}

TEST(connecting_that_takes_long_by_itself_is_a_limit)
{
	struct bottleneck_usage use = idle_thread();
	for (int i = 0; i < 10000; i++)
		bottleneck_note_connect(&use,
					30000); /* time in connect(), but not in a port search */
	check(&use, true, NULL);
	use.begin_ns = 1;
	use.search_waited_ns = thread_times().waited_ns;
	for (int i = 0; i < 200; i++)
		bottleneck_note_connect(&use, 9 * MS);
	check(&use, true, " calls of connect(2) took ");
}

TEST(a_thread_that_is_always_busy_is_one_of_a_closed_loop)
{
	struct bottleneck_usage use = idle_thread(), other = idle_thread(), all = { 0 };
	use.cpu_ns = 1980 * MS;
	use.busiest = 0.99;
	bottleneck_add(&all, &use);
	bottleneck_add(&all, &other);
	*text = '\0';
	assert_true(bottleneck_describe(&all, true, text));
	assert_non_null(strstr(text, "99 %"));
}

TEST(spinning_is_no_work)
{
	struct bottleneck_usage use = idle_thread();
	use.cpu_ns = 1980 * MS;
	use.spun_ns = 1500 * MS;
	use.busiest = 0.24;
	check(&use, false, NULL);
	check(&use, true, NULL);
}

TEST(what_is_measured_of_a_thread_that_works)
{
	struct bottleneck_usage use;
	bottleneck_begin(&use);
	uint64_t until_ns = clock_deadline_ns(50 * MS);
	while (clock_now_ns() < until_ns)
		continue;
	bottleneck_end(&use);
	assert_true(use.elapsed_ns >= 50 * MS);
	assert_true(use.cpu_ns > 0 && use.cpu_ns <= use.elapsed_ns);
	assert_true(use.busiest > 0 && use.waited >= 0 && use.waited <= 1);
	assert_true(use.suspended_ns < MS);
}

/* ---- one thread that mostly sleeps ---- */

/* N messages of 100 us in a second, in which the thread waited for a core for waited_ns. */
static bool is_limit_of_messages(uint64_t n, uint64_t waited_ns, uint64_t idle_ns)
{
	struct bottleneck_usage use = {
		.n_threads = 1,
		.elapsed_ns = CLOCK_NS_PER_S,
		.cpu_ns = CLOCK_NS_PER_S, /* busy waiting is no limit */
		.busiest = 1,
		.waited = (double)waited_ns / (double)CLOCK_NS_PER_S,
	};
	struct bottleneck_idle idle = { .fd = -1, .waited_ns = idle_ns };
	struct histogram times;
	*text = '\0';
	assert_int_equal(histogram_open(&times), 0);
	if (n > 0)
		histogram_record_n(&times, 100000, n);
	bool is_limit = bottleneck_describe_times(&use, &idle, &times, text);
	assert_int_equal(is_limit, text[0] != '\0');
	histogram_close(&times);
	return is_limit;
}

static bool is_limit_of_times(uint64_t waited_ns, uint64_t idle_ns)
{
	return is_limit_of_messages(10, waited_ns, idle_ns);
}

TEST(waiting_with_messages_that_failed_is_not_divided_by_the_others)
{
	assert_false(is_limit_of_messages(0, 1000000, 0));
	assert_false(is_limit_of_messages(10, 1100000, 0)); /* longer than all messages took */
	assert_true(is_limit_of_messages(10, 900000, 0));
}

TEST(waiting_for_a_core_counts_only_while_something_is_measured)
{
	assert_false(is_limit_of_times(0, 0));
	assert_false(is_limit_of_times(400000, 0)); /* 40 us each */
	assert_true(is_limit_of_times(600000, 0));
	assert_true(is_limit_of_times(50600000, 50000000));
	assert_false(is_limit_of_times(50400000, 50000000));
	assert_false(is_limit_of_times(500000000, 499700000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_for_a_core_counts_only_while_something_is_measured),
		cmocka_unit_test(waiting_with_messages_that_failed_is_not_divided_by_the_others),
		cmocka_unit_test(a_thread_that_lacks_nothing_is_no_limit),
		cmocka_unit_test(a_long_gap_is_a_limit_and_a_short_one_is_not),
		cmocka_unit_test(waiting_for_a_core_is_a_limit),
		cmocka_unit_test(a_machine_that_was_suspended_is_a_limit),
		cmocka_unit_test(connecting_that_takes_long_by_itself_is_a_limit),
		cmocka_unit_test(a_thread_that_is_always_busy_is_one_of_a_closed_loop),
		cmocka_unit_test(spinning_is_no_work),
		cmocka_unit_test(what_is_measured_of_a_thread_that_works),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
