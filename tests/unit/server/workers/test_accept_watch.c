/* SPDX-License-Identifier: MIT */
/*
 * The watch over connections that stay in the accept queue: each is noticed within a bounded time,
 * and idle, busy and full servers check rarely.
 */
#include "server/workers/accept_watch.h"

#include "unit.h"

#define START_NS (5 * CLOCK_NS_PER_S)

static struct accept_watch watch;

static int begin(void **state)
{
	(void)state;
	watch = (struct accept_watch){ 0 };
	return 0;
}

TEST(an_idle_server_is_polled_and_never_looked_at)
{
	assert_true(accept_watch_polls(&watch, START_NS));
	assert_int_equal(accept_watch_deadline_ns(&watch, START_NS), CLOCK_NEVER);
	accept_watch_found_none(&watch);
	assert_true(accept_watch_polls(&watch, START_NS + 1));
	assert_int_equal(accept_watch_deadline_ns(&watch, START_NS + 1), CLOCK_NEVER);
}

TEST(after_a_connection_it_pauses_and_then_polls_without_waiting)
{
	uint64_t next_read_ns = START_NS + ACCEPT_WATCH_REST_MIN_NS;
	assert_false(accept_watch_found(&watch, 7, START_NS));
	assert_false(accept_watch_polls(&watch, next_read_ns - 1));
	assert_int_equal(accept_watch_deadline_ns(&watch, START_NS + 1), next_read_ns);
	assert_true(accept_watch_polls(&watch, next_read_ns));
	assert_int_equal(accept_watch_deadline_ns(&watch, next_read_ns), 0);
	accept_watch_found_none(&watch);
	assert_int_equal(accept_watch_deadline_ns(&watch, next_read_ns), CLOCK_NEVER);
}

TEST(a_connection_queued_at_two_polls_wakes_a_worker)
{
	assert_false(accept_watch_found(&watch, 7, START_NS));
	assert_true(accept_watch_found(&watch, 8, START_NS + ACCEPT_WATCH_REST_MIN_NS));
	accept_watch_found_none(&watch);
	assert_false(accept_watch_found(&watch, 8, 2 * START_NS)); /* that is another connection */
}

TEST(while_nothing_is_accepted_it_polls_less_and_less_often)
{
	uint64_t now_ns = START_NS, rest_ns = 0;
	for (int looks = 0; looks < 100; looks++) {
		assert_int_equal(accept_watch_found(&watch, 7, now_ns), looks > 0);
		assert_int_equal(watch.is_stuck, looks > 0);
		assert_true(watch.rest_ns >= rest_ns);
		assert_in_range(watch.rest_ns, ACCEPT_WATCH_REST_MIN_NS, ACCEPT_WATCH_REST_MAX_NS);
		rest_ns = watch.rest_ns;
		now_ns = accept_watch_deadline_ns(&watch, now_ns);
	}
	assert_int_equal(rest_ns, ACCEPT_WATCH_REST_MAX_NS);
	/*
	 * Then a connection is accepted: the next one that is missed waits no longer than the
	 * first.
	 */
	assert_true(accept_watch_found(&watch, 8, now_ns));
	assert_false(watch.is_stuck);
	assert_int_equal(watch.rest_ns, ACCEPT_WATCH_REST_MIN_NS);
}

#define WATCH_TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCH_TEST(an_idle_server_is_polled_and_never_looked_at),
		WATCH_TEST(after_a_connection_it_pauses_and_then_polls_without_waiting),
		WATCH_TEST(a_connection_queued_at_two_polls_wakes_a_worker),
		WATCH_TEST(while_nothing_is_accepted_it_polls_less_and_less_often),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
