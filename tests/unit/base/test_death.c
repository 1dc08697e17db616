/* SPDX-License-Identifier: MIT */
/*
 * Causes of death, and the books of many that were held.
 */
#include "base/death.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "unit.h"

TEST(each_code_has_the_cause_that_it_means)
{
	static const struct {
		int code;
		enum death_cause cause;
	} cases[] = {
		{ -ECONNRESET, DEATH_RESET },        { -EPIPE, DEATH_RESET },
		{ -ETIMEDOUT, DEATH_TIMEOUT },       { -EHOSTUNREACH, DEATH_UNREACHABLE },
		{ -ENETUNREACH, DEATH_UNREACHABLE }, { -EHOSTDOWN, DEATH_UNREACHABLE },
		{ -ENETDOWN, DEATH_UNREACHABLE },    { ERR_FORBIDDEN, DEATH_UNREACHABLE },
		{ -ECONNREFUSED, DEATH_REFUSED },    { -ENOENT, DEATH_REFUSED },
		{ ERR_SELF_CONNECT, DEATH_REFUSED }, { -EMFILE, DEATH_ERROR },
		{ -EADDRNOTAVAIL, DEATH_ERROR },     { -EACCES, DEATH_ERROR },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(death_of_code(cases[i].code), cases[i].cause);
}

TEST(each_cause_has_a_name_of_its_own)
{
	for (enum death_cause a = 0; a < DEATH_CAUSES; a++) {
		assert_non_null(death_name(a));
		for (enum death_cause b = 0; b < a; b++)
			assert_string_not_equal(death_name(a), death_name(b));
	}
}

TEST(deaths_are_counted_by_their_cause_and_their_lives_compared)
{
	struct deaths deaths;
	assert_int_equal(deaths_open(&deaths), 0);
	assert_int_equal(deaths_died(&deaths), 0);
	assert_true(deaths.shortest_ns == DEATH_NO_BYTE);
	struct death death = { .cause = DEATH_RESET, .age_ns = 70 };
	deaths_add(&deaths, &death);
	death.age_ns = 50;
	deaths_add(&deaths, &death);
	death = (struct death){ .cause = DEATH_WRONG, .age_ns = 60 };
	deaths_add(&deaths, &death);
	assert_int_equal(deaths.n_died[DEATH_RESET], 2);
	assert_int_equal(deaths.n_died[DEATH_WRONG], 1);
	assert_int_equal(deaths_died(&deaths), 3);
	assert_int_equal(deaths_not_opened(&deaths), 0);
	assert_int_equal(deaths.shortest_ns, 50);
	assert_int_equal(deaths.longest_ns, 70);
	deaths_close(&deaths);
}

TEST(the_first_are_written_down_and_all_are_counted)
{
	struct deaths deaths;
	assert_int_equal(deaths_open(&deaths), 0);
	for (uint64_t i = 0; i < DEATH_TOLD_MOST + 5; i++) {
		struct death death = { .cause = DEATH_ENDED, .connection = i };
		deaths_add(&deaths, &death);
	}
	assert_int_equal(deaths.n_told, DEATH_TOLD_MOST);
	assert_int_equal(deaths.told[DEATH_TOLD_MOST - 1].connection, DEATH_TOLD_MOST - 1);
	assert_int_equal(deaths_died(&deaths), DEATH_TOLD_MOST + 5);
	deaths_close(&deaths);
	deaths_close(&deaths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_has_the_cause_that_it_means),
		cmocka_unit_test(each_cause_has_a_name_of_its_own),
		cmocka_unit_test(deaths_are_counted_by_their_cause_and_their_lives_compared),
		cmocka_unit_test(the_first_are_written_down_and_all_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
