/* SPDX-License-Identifier: MIT */
/*
 * The table of engines: each can be found by its name, and has all that a row needs.
 */
#include "server/engine.h"

#include <errno.h>
#include <string.h>

#include "server/client_table.h"
#include "unit.h"

TEST(every_engine_is_found_by_its_name)
{
	for (const struct engine *const *at = engines; *at != NULL; at++)
		assert_ptr_equal(engine_find((*at)->name), *at);
}

TEST(every_engine_has_a_name_a_summary_and_runs_or_has_workers_that_do)
{
	for (const struct engine *const *at = engines; *at != NULL; at++) {
		size_t letters = strspn((*at)->name, "abcdefghijklmnopqrstuvwxyz");
		assert_true(letters > 0 && (*at)->name[letters] == '\0');
		assert_true(strlen((*at)->summary) > 0);
		assert_true(((*at)->run != NULL) != ((*at)->work != NULL));
		assert_true(((*at)->run != NULL) == ((*at)->start != NULL));
	}
}

TEST(every_engine_states_what_a_client_takes)
{
	for (const struct engine *const *at = engines; *at != NULL; at++) {
		assert_true((*at)->entry_size >= sizeof(struct client));
		assert_int_equal((*at)->entry_size % _Alignof(struct client), 0);
		assert_true((*at)->need.kib > 0);
	}
}

TEST(engines_with_workers_know_how_many_or_grow)
{
	for (const struct engine *const *at = engines; *at != NULL; at++) {
		bool has_number = (*at)->workers != NULL;
		assert_int_equal((*at)->work != NULL, has_number || (*at)->grows);
		assert_false(has_number && (*at)->grows);
		if (has_number)
			assert_true((*at)->workers() >= 1);
		/* Each worker has its own table, whatever its engine. */
		assert_int_equal((*at)->work != NULL, (*at)->need.many_workers);
		assert_int_equal((*at)->work != NULL, (*at)->sandbox.has_workers);
	}
}

static int no_use(struct reason *reterr_reason)
{
	*reterr_reason = (struct reason){ "the moon is full" };
	return -ENOSYS;
}

TEST(an_unusable_engine_gives_its_reason)
{
	static const struct engine none = { .name = "none", .usable = no_use };
	static const struct engine always = { .name = "always" };
	struct reason reason = { "untouched" };
	assert_int_equal(engine_check(&always, &reason), 0);
	assert_string_equal(reason.text, "untouched");
	assert_int_equal(engine_check(&none, &reason), -ENOSYS);
	assert_string_equal(reason.text, "the moon is full");
}

TEST(the_best_engine_can_be_used_and_better_ones_give_their_reason)
{
	struct reason why, reason;
	const struct engine *best = engine_best(&why);
	assert_non_null(best);
	assert_ptr_equal(engine_find(best->name), best);
	assert_int_equal(engine_check(best, &reason), 0);
	assert_true(best->polls); /* it polls many sockets */
	/* "NAME: reason" of an engine that cannot be used, or empty. */
	char name[sizeof(why.text)];
	size_t length = strcspn(why.text, ":");
	memcpy(name, why.text, length);
	name[length] = '\0';
	if (length > 0)
		assert_true(engine_check(engine_find(name), &reason) < 0);
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
		cmocka_unit_test(every_engine_has_a_name_a_summary_and_runs_or_has_workers_that_do),
		cmocka_unit_test(every_engine_states_what_a_client_takes),
		cmocka_unit_test(engines_with_workers_know_how_many_or_grow),
		cmocka_unit_test(an_unusable_engine_gives_its_reason),
		cmocka_unit_test(the_best_engine_can_be_used_and_better_ones_give_their_reason),
		cmocka_unit_test(the_default_comes_first),
		cmocka_unit_test(what_is_no_engine_is_not_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
