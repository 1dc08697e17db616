/* SPDX-License-Identifier: MIT */
/*
 * The line of a connection that has died.
 */
#include "client/obituary.h"

#include <string.h>

#include "unit.h"

TEST(all_that_is_known_is_in_the_line)
{
	struct death death = {
		.cause = DEATH_RESET,
		.connection = 7,
		.age_ns = 12503400000,
		.n_beats = 13,
		.silent_ns = 503000000,
		.from = "127.0.0.1:51334",
		.why = "connection reset by peer",
	};
	assert_string_equal(obituary_of(&death).text,
			    "connection 7 died (reset): connection reset by peer; 12.503 s old, 13 "
			    "heartbeats, last good byte 0.503 s ago, from 127.0.0.1:51334");
}

TEST(one_that_never_gave_a_byte_says_so)
{
	struct death death = {
		.cause = DEATH_TIMEOUT,
		.connection = 1,
		.age_ns = 5000000000,
		.n_beats = 1,
		.silent_ns = DEATH_NO_BYTE,
		.why = "no reply within 5s",
	};
	assert_string_equal(obituary_of(&death).text,
			    "connection 1 died (timeout): no reply within 5s; 5.000 s old, 1 "
			    "heartbeat, no byte ever came back");
}

TEST(the_longest_there_are_have_room)
{
	struct death death = { .cause = DEATH_UNREACHABLE, .connection = UINT64_MAX };
	death.age_ns = death.n_beats = UINT64_MAX;
	death.silent_ns = UINT64_MAX - 1;
	memset(death.from, 'f', sizeof(death.from) - 1);
	memset(death.why, 'w', sizeof(death.why) - 1);
	struct obituary obituary = obituary_of(&death);
	assert_true(strlen(obituary.text) < sizeof(obituary.text) - 1);
	assert_int_equal(obituary.text[strlen(obituary.text) - 1], 'f');
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
