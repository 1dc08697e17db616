/* SPDX-License-Identifier: MIT */
/*
 * Send times of heartbeats on held connections, and the line of a disconnect.
 * tests/client/test_hold.py tests disconnects from outside.
 */
#include "client/hold/hold_conn.h"

#include <string.h>

#include "base/clock.h"
#include "unit.h"

#define S CLOCK_NS_PER_S

/* A heartbeat every second, from 1000 s on. */
static struct hold_set holding_of(const struct hold_config *config, uint32_t n)
{
	return (struct hold_set){ .config = config, .n = n, .start_ns = 1000 * S };
}

TEST(beats_are_spread_over_the_interval)
{
	const struct hold_config config = { .interval_ns = S };
	static struct hold_set set;
	set = holding_of(&config, 10);
	set.now_ns = set.start_ns;
	for (uint32_t i = 1; i < 10; i++)
		assert_int_equal(hold_conn_next_heartbeat_ns(&set, i), 1000 * S + i * (S / 10));
	/* a heartbeat due now is not returned again */
	assert_int_equal(hold_conn_next_heartbeat_ns(&set, 0), 1001 * S);
}

TEST(the_next_beat_is_after_now_and_on_its_own_beat)
{
	const struct hold_config config = { .interval_ns = S };
	static struct hold_set set;
	set = holding_of(&config, 4);
	for (uint64_t ms = 0; ms < 5000; ms += 7) {
		set.now_ns = set.start_ns + ms * CLOCK_NS_PER_MS;
		for (uint32_t i = 0; i < 4; i++) {
			uint64_t at_ns = hold_conn_next_heartbeat_ns(&set, i);
			assert_true(at_ns > set.now_ns && at_ns <= set.now_ns + S);
			assert_int_equal((at_ns - set.start_ns) % S, i * (S / 4));
		}
	}
}

TEST(without_an_interval_there_is_no_next_beat)
{
	const struct hold_config config = { .interval_ns = 0 };
	static struct hold_set set;
	set = holding_of(&config, 4);
	set.now_ns = 2000 * S;
	assert_true(hold_conn_next_heartbeat_ns(&set, 3) == CLOCK_NEVER);
}

TEST(a_connection_costs_little_memory)
{
	size_t in_wakes = sizeof(uint64_t) + 2 * sizeof(uint32_t), in_queue = sizeof(uint32_t);
	assert_true(sizeof(struct hold_conn) + in_wakes + in_queue <= 512);
}

TEST(all_that_is_known_is_in_the_line)
{
	struct disconnect disconnect = {
		.cause = DISCONNECT_RESET,
		.connection = 7,
		.age_ns = 12503400000,
		.n_heartbeats = 13,
		.silent_ns = 503000000,
		.from = "127.0.0.1:51334",
		.why = "connection reset by peer",
	};
	assert_string_equal(hold_conn_disconnect_line(&disconnect).text,
			    "connection 7 lost (reset): connection reset by peer; 12.503 s old, 13 "
			    "heartbeats, last good byte 0.503 s ago, from 127.0.0.1:51334");
}

TEST(a_connection_without_a_byte_is_reported_as_such)
{
	struct disconnect disconnect = {
		.cause = DISCONNECT_TIMEOUT,
		.connection = 1,
		.age_ns = 5000000000,
		.n_heartbeats = 1,
		.silent_ns = DISCONNECT_NO_BYTE,
		.why = "no reply within 5s",
	};
	assert_string_equal(hold_conn_disconnect_line(&disconnect).text,
			    "connection 1 lost (timeout): no reply within 5s; 5.000 s old, 1 "
			    "heartbeat, no byte ever came back");
}

TEST(the_longest_there_are_have_room)
{
	struct disconnect disconnect = { .cause = DISCONNECT_UNREACHABLE,
					 .connection = UINT64_MAX };
	disconnect.age_ns = disconnect.n_heartbeats = UINT64_MAX;
	disconnect.silent_ns = UINT64_MAX - 1;
	memset(disconnect.from, 'f', sizeof(disconnect.from) - 1);
	memset(disconnect.why, 'w', sizeof(disconnect.why) - 1);
	struct hold_line line = hold_conn_disconnect_line(&disconnect);
	assert_true(strlen(line.text) < sizeof(line.text) - 1);
	assert_int_equal(line.text[strlen(line.text) - 1], 'f');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beats_are_spread_over_the_interval),
		cmocka_unit_test(the_next_beat_is_after_now_and_on_its_own_beat),
		cmocka_unit_test(without_an_interval_there_is_no_next_beat),
		cmocka_unit_test(a_connection_costs_little_memory),
		cmocka_unit_test(all_that_is_known_is_in_the_line),
		cmocka_unit_test(a_connection_without_a_byte_is_reported_as_such),
		cmocka_unit_test(the_longest_there_are_have_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
