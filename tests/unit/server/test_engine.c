/* SPDX-License-Identifier: MIT */
/*
 * The table of engines: each can be found by its name, and has all that a row needs.
 */
#include "server/engine.h"

#include <string.h>

#include "unit.h"

TEST(every_engine_is_found_by_its_name)
{
	for (const struct engine *const *at = engines; *at != NULL; at++)
		assert_ptr_equal(engine_find((*at)->name), *at);
}

TEST(every_engine_has_a_name_a_summary_and_runs)
{
	for (const struct engine *const *at = engines; *at != NULL; at++) {
		size_t letters = strspn((*at)->name, "abcdefghijklmnopqrstuvwxyz");
		assert_true(letters > 0 && (*at)->name[letters] == '\0');
		assert_true(strlen((*at)->summary) > 0);
		assert_non_null((*at)->run);
	}
}

TEST(the_default_comes_first)
{
	assert_string_equal(engines[0]->name, "fork");
}

TEST(what_is_no_engine_is_not_found)
{
	assert_null(engine_find(""));
	assert_null(engine_find("for"));
	assert_null(engine_find("forks"));
	assert_null(engine_find("FORK"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_engine_is_found_by_its_name),
		cmocka_unit_test(every_engine_has_a_name_a_summary_and_runs),
		cmocka_unit_test(the_default_comes_first),
		cmocka_unit_test(what_is_no_engine_is_not_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
