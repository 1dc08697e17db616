/* SPDX-License-Identifier: MIT */
/* Workers are started before they are needed, and not more than a bounded number at once. */
#include "server/workers/growth.h"

#include "unit.h"

TEST(enough_idle_workers_need_no_others)
{
	struct growth_state state = { .n_alive = 100, .n_idle = GROWTH_IDLE_MIN };
	assert_int_equal(growth_step(&state), 0);
	state.n_idle--;
	assert_true(growth_step(&state) > 0);
}

TEST(the_number_doubles_up_to_the_maximum_step)
{
	for (uint32_t n = 0; n < 3 * GROWTH_STEP_MAX; n++) {
		const struct growth_state state = { .n_alive = n };
		uint32_t step = growth_step(&state);
		assert_true(step >= GROWTH_IDLE_MIN);
		assert_true(step <= GROWTH_STEP_MAX);
		assert_true(step >= n || step == GROWTH_STEP_MAX);
	}
}

TEST(idle_workers_that_may_be_stuck_get_company_unless_a_resource_is_short)
{
	struct growth_state state = { .n_alive = 8, .n_idle = 8, .may_be_stuck = true };
	assert_int_equal(growth_step(&state), 8 + GROWTH_IDLE_MIN);
	state.any_paused = true;
	assert_int_equal(growth_step(&state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enough_idle_workers_need_no_others),
		cmocka_unit_test(the_number_doubles_up_to_the_maximum_step),
		cmocka_unit_test(
			idle_workers_that_may_be_stuck_get_company_unless_a_resource_is_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
