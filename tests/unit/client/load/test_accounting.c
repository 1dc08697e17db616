/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of connections, and which counter each message goes to when a connection or the run
 * ends.
 */
#include "client/load/accounting.h"

#include <string.h>

#include "base/clock.h"
#include "unit.h"

#define SIZE    100
#define WAIT_NS UINT64_C(1000)

static struct load_plan plan;
static struct load load;
static struct load_thread thread;

static int begin(void **state)
{
	(void)state;
	plan = (struct load_plan){ .size = SIZE, .depth = 4, .n_threads = 1 };
	load = (struct load){ .plan = &plan, .first_fd = -1 };
	memset(&thread, 0, sizeof(thread));
	thread.load = &load;
	thread.plan = &plan;
	thread.wait_ns = WAIT_NS;
	assert_int_equal(load_open(&load), 0);
	assert_int_equal(load_conns_open(&thread.conns, 1, 4, SIZE), 0);
	return timer_heap_open(&thread.timers, 1);
}

static int end(void **state)
{
	(void)state;
	timer_heap_close(&thread.timers);
	load_conns_close(&thread.conns);
	load_close(&load);
	return 0;
}

/* Opens the connection; n messages are sent at 10, 20, 30 ... */
static struct load_conn *open_lane(int n, uint64_t sent, uint64_t returned)
{
	struct load_conn *conn = &thread.conns.list[0];
	conn->state = LOAD_CONN_OPEN;
	for (uint64_t i = 1; i <= (uint64_t)n; i++) {
		const struct request request = { .due_ns = 10 * i, .begun_ns = 10 * i };
		load_conn_begin_message(&thread.conns, conn, request);
		thread.n_in_flight++;
	}
	conn->stream.sent = sent;
	conn->stream.returned = returned;
	return conn;
}

static void check(uint64_t n_sent, uint64_t n_failed, uint64_t n_unfinished)
{
	const struct result *result = &load.result;
	assert_int_equal(result->n_sent, n_sent);
	assert_int_equal(result_failed(result), n_failed);
	assert_int_equal(result->n_unfinished, n_unfinished);
	assert_int_equal(result->response.n, n_unfinished);
	assert_int_equal(result->n_sent, result->n_echoes + n_failed + n_unfinished);
	assert_int_equal(thread.n_in_flight, 0);
}

TEST(messages_under_way_fail_with_their_connection)
{
	struct load_conn *conn = open_lane(3, 250, 30);
	assert_int_equal(accounting_end_messages(&thread, conn, "ECONNRESET"), 3);
	check(3, 3, 0);
	assert_int_equal(load.result.bytes_sent, 250);
	assert_int_equal(load.result.bytes_verified, 30);
}

TEST(one_of_which_no_byte_was_sent_has_not_begun)
{
	assert_int_equal(accounting_end_messages(&thread, open_lane(3, 150, 0), "ended"), 2);
	check(2, 2, 0);
	assert_int_equal(result_failures(&load.result), 2);
}

TEST(in_an_open_loop_it_was_never_sent)
{
	plan.is_open = true;
	assert_int_equal(accounting_end_messages(&thread, open_lane(3, 150, 0), "ended"), 2);
	check(2, 2, 0);
	assert_int_equal(result_failures(&load.result), 3);
}

TEST(with_a_connection_of_its_own_it_has_begun)
{
	plan.churns = true;
	assert_int_equal(accounting_end_messages(&thread, open_lane(1, 0, 0), "ECONNREFUSED"), 1);
	check(1, 1, 0);
}

TEST(at_the_end_the_late_ones_failed_and_the_others_are_unfinished)
{
	struct load_conn *conn = open_lane(3, 300, 0);
	thread.now_ns = 15 + WAIT_NS; /* the first began at 10, the second at 20 */
	assert_int_equal(accounting_end_messages(&thread, conn, NULL), 3);
	check(3, 1, 2);
	assert_int_equal(load.result.response.max_ns, 15 + WAIT_NS - 20);
}

TEST(standing_still_shortens_no_wait_and_does_not_begin_it_anew)
{
	struct load_conn *conn = open_lane(1, 100, 0);
	assert_int_equal(accounting_deadline_ns(&thread, conn), 10 + WAIT_NS);
	thread.now_ns = 5;
	thread.give_up_ns = 1000;
	accounting_add_gap(&thread, 4);            /* before it began */
	assert_int_equal(thread.give_up_ns, 1004); /* the backlog is sent all the same */
	assert_int_equal(accounting_deadline_ns(&thread, conn), 10 + WAIT_NS);
	for (uint64_t i = 1; i <= 3; i++) {
		thread.now_ns = 100 * i;
		accounting_add_gap(&thread, 50);
	}
	assert_int_equal(accounting_deadline_ns(&thread, conn), 10 + WAIT_NS + 3 * 50);
	for (uint64_t i = 0; i < UINT64_C(1000); i++)
		accounting_add_gap(&thread, 50);
	assert_true(accounting_deadline_ns(&thread, conn) <=
		    10 + WAIT_NS + (uint64_t)LOAD_GAPS * 50);
}

TEST(an_earlier_time_for_a_connection_stays)
{
	struct load_conn *conn = open_lane(1, 100, 0);
	accounting_wake_by(&thread, conn, 70);
	accounting_wake_by(&thread, conn, 90);
	assert_int_equal(timer_heap_next_ns(&thread.timers), 70);
	accounting_wake_by(&thread, conn, 50);
	assert_int_equal(timer_heap_next_ns(&thread.timers), 50);
	accounting_wake_by(&thread, conn, CLOCK_NEVER);
	assert_int_equal(timer_heap_next_ns(&thread.timers), 50);
}

#define ACCOUNT_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ACCOUNT_TEST(messages_under_way_fail_with_their_connection),
		ACCOUNT_TEST(one_of_which_no_byte_was_sent_has_not_begun),
		ACCOUNT_TEST(in_an_open_loop_it_was_never_sent),
		ACCOUNT_TEST(with_a_connection_of_its_own_it_has_begun),
		ACCOUNT_TEST(at_the_end_the_late_ones_failed_and_the_others_are_unfinished),
		ACCOUNT_TEST(standing_still_shortens_no_wait_and_does_not_begin_it_anew),
		ACCOUNT_TEST(an_earlier_time_for_a_connection_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
