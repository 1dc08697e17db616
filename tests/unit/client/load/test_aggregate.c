/* SPDX-License-Identifier: MIT */
/*
 * Whatever threads publish, and whenever, counts in one interval, and the total is the sum of the
 * intervals.
 */
#include "client/load/aggregate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

#define THREADS  3
#define KEPT_MAX 4000

struct kept {
	uint64_t from_ns, length_ns, n_echoes;
};

static struct load_plan plan; /* of a closed loop */
static struct load loads[THREADS];
static struct result whole;
static struct aggregate aggregate;
static struct kept kept[KEPT_MAX];
static size_t n_kept;
static struct recorder recorder; /* not opened: the wrapped call below does not use it */
static int recorder_returns;

int __wrap_recorder_add(struct recorder *to, uint64_t start_ns, uint64_t length_ns,
			const struct result *interval);

int __wrap_recorder_add(struct recorder *to, uint64_t start_ns, uint64_t length_ns,
			const struct result *interval)
{
	assert_ptr_equal(to, &recorder);
	assert_true(n_kept < KEPT_MAX);
	assert_int_equal(interval->response.n, interval->n_echoes);
	/* In an open loop the threads would have recorded them. */
	assert_int_equal(interval->service.n, plan.is_open ? 0 : interval->n_echoes);
	kept[n_kept++] = (struct kept){ start_ns, length_ns, interval->n_echoes };
	return recorder_returns;
}

static int begin(void **state)
{
	(void)state;
	memset(loads, 0, sizeof(loads));
	plan.is_open = false;
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(load_open(&loads[i]), 0);
		loads[i].plan = &plan;
	}
	assert_int_equal(result_open(&whole), 0);
	assert_int_equal(aggregate_open(&aggregate, loads, &recorder, &whole), 0);
	n_kept = 0;
	recorder_returns = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	aggregate_close(&aggregate);
	result_close(&whole);
	for (size_t i = 0; i < THREADS; i++)
		load_close(&loads[i]);
	return 0;
}

static void count(struct load *load, uint64_t n)
{
	load->result.n_echoes += n;
	histogram_record_n(&load->result.response, 1000, n);
}

/*
 * The thread has counted n more at the end of a second, and publishes them if it can. Returns
 * whether it did.
 */
static bool gives(size_t thread, uint64_t n, uint64_t until)
{
	count(&loads[thread], n);
	return interval_buffer_put(&loads[thread].buffer, &loads[thread].result, until);
}

static void ends(size_t thread, uint64_t n)
{
	count(&loads[thread], n);
	atomic_store(&loads[thread].has_ended, true);
}

static void has_kept(size_t i, uint64_t from_s, uint64_t to_s, uint64_t n_echoes)
{
	assert_true(i < n_kept);
	assert_int_equal(kept[i].from_ns, from_s * CLOCK_NS_PER_S);
	assert_int_equal(kept[i].length_ns, (to_s - from_s) * CLOCK_NS_PER_S);
	assert_int_equal(kept[i].n_echoes, n_echoes);
}

static void finish(uint64_t last_ns, uint64_t ended_ns)
{
	assert_int_equal(aggregate_finish(&aggregate, last_ns, ended_ns), 0);
}

TEST(in_an_open_loop_service_times_are_those_that_were_recorded)
{
	plan.is_open = true;
	ends(0, 3);
	aggregate_collect(&aggregate, 1);
	finish(CLOCK_NS_PER_S, CLOCK_NS_PER_S);
	has_kept(0, 0, 1, 3);
	assert_int_equal(whole.service.n, 0);
}

TEST(an_interval_ends_when_all_have_handed_over)
{
	assert_true(gives(0, 1, 1));
	aggregate_collect(&aggregate, 2);
	assert_int_equal(n_kept, 0);
	assert_true(gives(1, 10, 1));
	aggregate_collect(&aggregate, 2);
	assert_int_equal(n_kept, 1);
	has_kept(0, 0, 1, 11);
	assert_int_equal(whole.n_echoes, 11);
	aggregate_collect(&aggregate, 2);
	assert_int_equal(n_kept, 1);
}

TEST(where_one_could_not_hand_over_the_interval_is_longer)
{
	assert_true(gives(0, 1, 1));
	assert_true(gives(1, 10, 1));
	aggregate_collect(&aggregate, 2);
	assert_true(gives(0, 2, 2));
	assert_false(gives(0, 4, 3)); /* its last counts were not collected yet */
	assert_true(gives(1, 20, 2));
	aggregate_collect(&aggregate, 2);
	has_kept(1, 1, 2, 22);
	assert_true(gives(1, 40, 3));
	aggregate_collect(&aggregate, 2);
	assert_true(gives(0, 8, 4));
	aggregate_collect(&aggregate, 2);
	assert_int_equal(n_kept, 2); /* one is at 3, the other at 4 */
	assert_true(gives(1, 80, 4));
	aggregate_collect(&aggregate, 2);
	has_kept(2, 2, 4, 4 + 8 + 40 + 80);
	assert_int_equal(whole.n_echoes, 11 + 22 + 132);
}

TEST(one_that_is_ahead_waits_for_the_others)
{
	assert_true(gives(0, 1, 1));
	aggregate_collect(&aggregate, 2);
	/* it belongs to the second second, and must not be taken yet */
	assert_true(gives(0, 2, 2));
	aggregate_collect(&aggregate, 2);
	assert_true(gives(1, 10, 1));
	aggregate_collect(&aggregate, 2);
	has_kept(0, 0, 1, 11);
	assert_true(gives(1, 20, 2));
	aggregate_collect(&aggregate, 2);
	has_kept(1, 1, 2, 22);
}

TEST(an_ended_thread_delays_no_other)
{
	assert_true(gives(0, 1, 1));
	ends(0, 2);
	assert_true(gives(1, 10, 1));
	aggregate_collect(&aggregate, 2);
	has_kept(0, 0, 1, 11);
	assert_true(gives(1, 20, 2));
	aggregate_collect(&aggregate, 2);
	has_kept(1, 1, 2, 22); /* with the rest of the thread that ended */
	assert_true(gives(1, 40, 3));
	aggregate_collect(&aggregate, 2);
	has_kept(2, 2, 3, 40);
}

TEST(the_rest_is_the_last_interval_and_ends_with_the_last_message)
{
	assert_true(gives(0, 1, 1));
	assert_true(gives(1, 10, 1));
	aggregate_collect(&aggregate, 2);
	ends(0, 2);
	ends(1, 20);
	finish(CLOCK_NS_PER_S + 7, CLOCK_NS_PER_S + 9);
	assert_int_equal(n_kept, 2);
	assert_int_equal(kept[1].from_ns, CLOCK_NS_PER_S);
	assert_int_equal(kept[1].length_ns, 7);
	assert_int_equal(kept[1].n_echoes, 22);
	assert_int_equal(whole.n_echoes, 33);
}

TEST(without_a_message_the_rest_ends_when_the_threads_did)
{
	gives(0, 1, 1);
	ends(0, 0);
	aggregate_collect(&aggregate, 1);
	finish(5, 3 * CLOCK_NS_PER_S);
	has_kept(n_kept - 1, 1, 3, 0);
	assert_int_equal(whole.n_echoes, 1);
}

TEST(what_was_handed_over_before_the_end_is_not_forgotten)
{
	aggregate_collect(&aggregate, 2);
	assert_true(gives(0, 1, 1));
	ends(0, 2);
	ends(1, 10);
	finish(2 * CLOCK_NS_PER_S, 2 * CLOCK_NS_PER_S);
	uint64_t n_echoes = 0;
	for (size_t i = 0; i < n_kept; i++)
		n_echoes += kept[i].n_echoes;
	assert_int_equal(n_echoes, 13);
	assert_int_equal(whole.n_echoes, 13);
}

TEST(what_never_began_has_no_intervals_and_its_counts_are_there)
{
	ends(0, 0);
	result_fail(&loads[0].result, "ECONNREFUSED", 2);
	aggregate_collect(&aggregate, 1);
	finish(0, 0);
	assert_int_equal(n_kept, 0);
	assert_int_equal(result_failures(&whole), 2);
}

TEST(a_failure_of_the_recorder_is_returned)
{
	recorder_returns = -12;
	assert_true(gives(0, 1, 1));
	aggregate_collect(&aggregate, 1);
	recorder_returns = 0;
	ends(0, 2);
	assert_int_equal(aggregate_finish(&aggregate, CLOCK_NS_PER_S + 1, CLOCK_NS_PER_S + 1), -12);
}

/* ---- with threads ---- */

#define SECONDS 1000

/* Publishes as fast as it can, whether or not the counts are collected. */
static void *hand_over(void *argument)
{
	struct load *load = argument;
	for (uint64_t second = 1; second <= SECONDS; second++) {
		count(load, second);
		ignore_result(interval_buffer_put(&load->buffer, &load->result, second));
	}
	count(load, 1);
	atomic_store(&load->has_ended, true);
	return NULL;
}

TEST(nothing_is_lost_or_doubled_between_threads)
{
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hand_over, &loads[i]), 0);
	bool have_ended;
	do {
		have_ended = true;
		for (size_t i = 0; i < THREADS; i++)
			have_ended = have_ended && atomic_load(&loads[i].has_ended);
		aggregate_collect(&aggregate, THREADS);
	} while (!have_ended);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	finish((SECONDS + 1) * CLOCK_NS_PER_S, (SECONDS + 1) * CLOCK_NS_PER_S);

	uint64_t n_echoes = 0, at_ns = 0;
	for (size_t i = 0; i < n_kept; i++) {
		assert_int_equal(kept[i].from_ns, at_ns);
		at_ns += kept[i].length_ns;
		n_echoes += kept[i].n_echoes;
	}
	assert_int_equal(at_ns, (SECONDS + 1) * CLOCK_NS_PER_S);
	assert_int_equal(n_echoes, THREADS * (SECONDS * (SECONDS + 1) / 2 + 1));
	assert_int_equal(whole.n_echoes, n_echoes);
	assert_int_equal(whole.response.n, n_echoes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			in_an_open_loop_service_times_are_those_that_were_recorded, begin, end),
		cmocka_unit_test_setup_teardown(an_interval_ends_when_all_have_handed_over, begin,
						end),
		cmocka_unit_test_setup_teardown(
			where_one_could_not_hand_over_the_interval_is_longer, begin, end),
		cmocka_unit_test_setup_teardown(one_that_is_ahead_waits_for_the_others, begin, end),
		cmocka_unit_test_setup_teardown(an_ended_thread_delays_no_other, begin, end),
		cmocka_unit_test_setup_teardown(
			the_rest_is_the_last_interval_and_ends_with_the_last_message, begin, end),
		cmocka_unit_test_setup_teardown(
			without_a_message_the_rest_ends_when_the_threads_did, begin, end),
		cmocka_unit_test_setup_teardown(
			what_was_handed_over_before_the_end_is_not_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(
			what_never_began_has_no_intervals_and_its_counts_are_there, begin, end),
		cmocka_unit_test_setup_teardown(a_failure_of_the_recorder_is_returned, begin, end),
		cmocka_unit_test_setup_teardown(nothing_is_lost_or_doubled_between_threads, begin,
						end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
