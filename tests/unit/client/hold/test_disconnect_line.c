/* SPDX-License-Identifier: MIT */
/* The line that reports a lost connection. */
#include "client/hold/disconnect_line.h"

#include <string.h>

#include "unit.h"

TEST(all_that_is_known_is_in_the_line)
{
	struct disconnect disconnect = {
		.cause = DISCONNECT_RESET,
		.connection = 7,
		.age_ns = 12503400000,
		.n_beats = 13,
		.silent_ns = 503000000,
		.from = "127.0.0.1:51334",
		.why = "connection reset by peer",
	};
	assert_string_equal(disconnect_line_of(&disconnect).text,
			    "connection 7 died (reset): connection reset by peer; 12.503 s old, 13 "
			    "heartbeats, last good byte 0.503 s ago, from 127.0.0.1:51334");
}

TEST(one_that_never_gave_a_byte_says_so)
{
	struct disconnect disconnect = {
		.cause = DISCONNECT_TIMEOUT,
		.connection = 1,
		.age_ns = 5000000000,
		.n_beats = 1,
		.silent_ns = DISCONNECT_NO_BYTE,
		.why = "no reply within 5s",
	};
	assert_string_equal(disconnect_line_of(&disconnect).text,
			    "connection 1 died (timeout): no reply within 5s; 5.000 s old, 1 "
			    "heartbeat, no byte ever came back");
}

TEST(the_longest_there_are_have_room)
{
	struct disconnect disconnect = { .cause = DISCONNECT_UNREACHABLE,
					 .connection = UINT64_MAX };
	disconnect.age_ns = disconnect.n_beats = UINT64_MAX;
	disconnect.silent_ns = UINT64_MAX - 1;
	memset(disconnect.from, 'f', sizeof(disconnect.from) - 1);
	memset(disconnect.why, 'w', sizeof(disconnect.why) - 1);
	struct disconnect_line line = disconnect_line_of(&disconnect);
	assert_true(strlen(line.text) < sizeof(line.text) - 1);
	assert_int_equal(line.text[strlen(line.text) - 1], 'f');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_known_is_in_the_line),
		cmocka_unit_test(one_that_never_gave_a_byte_says_so),
		cmocka_unit_test(the_longest_there_are_have_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
