/* SPDX-License-Identifier: MIT */
/* Causes of disconnects, and the counts of many held connections. */
#include "stats/disconnects.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "unit.h"

TEST(each_code_has_the_cause_that_it_means)
{
	static const struct {
		int code;
		enum disconnect_cause cause;
	} cases[] = {
		{ -ECONNRESET, DISCONNECT_RESET },        { -EPIPE, DISCONNECT_RESET },
		{ -ETIMEDOUT, DISCONNECT_TIMEOUT },       { -EHOSTUNREACH, DISCONNECT_UNREACHABLE },
		{ -ENETUNREACH, DISCONNECT_UNREACHABLE }, { -EHOSTDOWN, DISCONNECT_UNREACHABLE },
		{ -ENETDOWN, DISCONNECT_UNREACHABLE },    { ERR_FORBIDDEN, DISCONNECT_UNREACHABLE },
		{ -ECONNREFUSED, DISCONNECT_REFUSED },    { -ENOENT, DISCONNECT_REFUSED },
		{ ERR_SELF_CONNECT, DISCONNECT_REFUSED }, { -EMFILE, DISCONNECT_ERROR },
		{ -EADDRNOTAVAIL, DISCONNECT_ERROR },     { -EACCES, DISCONNECT_ERROR },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(disconnect_of_code(cases[i].code), cases[i].cause);
}

TEST(each_cause_has_a_name_of_its_own)
{
	for (enum disconnect_cause a = 0; a < DISCONNECT_CAUSES; a++) {
		assert_non_null(disconnect_name(a));
		for (enum disconnect_cause b = 0; b < a; b++)
			assert_string_not_equal(disconnect_name(a), disconnect_name(b));
	}
}

TEST(disconnects_are_counted_by_cause_and_their_durations_compared)
{
	struct disconnects disconnects;
	assert_int_equal(disconnects_open(&disconnects), 0);
	assert_int_equal(disconnects_ended(&disconnects), 0);
	assert_true(disconnects.shortest_ns == DISCONNECT_NO_BYTE);
	struct disconnect disconnect = { .cause = DISCONNECT_RESET, .age_ns = 70 };
	disconnects_add(&disconnects, &disconnect);
	disconnect.age_ns = 50;
	disconnects_add(&disconnects, &disconnect);
	disconnect = (struct disconnect){ .cause = DISCONNECT_WRONG, .age_ns = 60 };
	disconnects_add(&disconnects, &disconnect);
	assert_int_equal(disconnects.n_ended[DISCONNECT_RESET], 2);
	assert_int_equal(disconnects.n_ended[DISCONNECT_WRONG], 1);
	assert_int_equal(disconnects_ended(&disconnects), 3);
	assert_int_equal(disconnects_not_opened(&disconnects), 0);
	assert_int_equal(disconnects.shortest_ns, 50);
	assert_int_equal(disconnects.longest_ns, 70);
	disconnects_close(&disconnects);
}

TEST(the_first_are_written_down_and_all_are_counted)
{
	struct disconnects disconnects;
	assert_int_equal(disconnects_open(&disconnects), 0);
	for (uint64_t i = 0; i < DISCONNECT_LOGGED_MAX + 5; i++) {
		struct disconnect disconnect = { .cause = DISCONNECT_ENDED, .connection = i };
		disconnects_add(&disconnects, &disconnect);
	}
	assert_int_equal(disconnects.n_logged, DISCONNECT_LOGGED_MAX);
	assert_int_equal(disconnects.logged[DISCONNECT_LOGGED_MAX - 1].connection,
			 DISCONNECT_LOGGED_MAX - 1);
	assert_int_equal(disconnects_ended(&disconnects), DISCONNECT_LOGGED_MAX + 5);
	disconnects_close(&disconnects);
	disconnects_close(&disconnects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_has_the_cause_that_it_means),
		cmocka_unit_test(each_cause_has_a_name_of_its_own),
		cmocka_unit_test(disconnects_are_counted_by_cause_and_their_durations_compared),
		cmocka_unit_test(the_first_are_written_down_and_all_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
