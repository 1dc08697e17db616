/* SPDX-License-Identifier: MIT */
/*
 * Times of many: whatever is set in whatever order, the earliest stands first.
 */
#include "client/wakes.h"

#include <stdlib.h>

#include "base/clock.h"
#include "unit.h"

TEST(at_first_nobody_is_to_be_woken)
{
	struct wakes wakes;
	uint32_t who;
	assert_int_equal(wakes_open(&wakes, 3), 0);
	assert_true(wakes_next_ns(&wakes) == CLOCK_NEVER);
	assert_false(wakes_due(&wakes, CLOCK_NEVER, &who));
	wakes_close(&wakes);
}

TEST(one_is_due_at_its_time_and_not_before)
{
	struct wakes wakes;
	uint32_t who = 9;
	assert_int_equal(wakes_open(&wakes, 3), 0);
	wakes_set(&wakes, 1, 100);
	assert_int_equal(wakes_next_ns(&wakes), 100);
	assert_false(wakes_due(&wakes, 99, &who));
	assert_true(wakes_due(&wakes, 100, &who));
	assert_int_equal(who, 1);
	wakes_set(&wakes, 1, CLOCK_NEVER);
	assert_false(wakes_due(&wakes, UINT64_MAX, &who));
	wakes_close(&wakes);
}

static uint64_t least_of(const uint64_t *times, uint32_t n)
{
	uint64_t least = CLOCK_NEVER;
	for (uint32_t i = 0; i < n; i++)
		least = clock_earlier_ns(least, times[i]);
	return least;
}

TEST(the_earliest_is_first_whatever_is_set)
{
	enum { MOST = 100 };
	srand(1);
	for (uint32_t n = 1; n <= MOST; n++) {
		struct wakes wakes;
		uint64_t times[MOST];
		assert_int_equal(wakes_open(&wakes, n), 0);
		for (uint32_t i = 0; i < n; i++)
			times[i] = CLOCK_NEVER;
		for (int round = 0; round < 500; round++) {
			uint32_t who = (uint32_t)rand() % n;
			times[who] = rand() % 10 == 0 ? CLOCK_NEVER : (uint64_t)(rand() % 50);
			wakes_set(&wakes, who, times[who]);
			uint64_t least = least_of(times, n);
			assert_true(wakes_next_ns(&wakes) == least);
			if (wakes_due(&wakes, 50, &who))
				assert_true(times[who] == least);
			else
				assert_true(least == CLOCK_NEVER);
		}
		wakes_close(&wakes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_first_nobody_is_to_be_woken),
		cmocka_unit_test(one_is_due_at_its_time_and_not_before),
		cmocka_unit_test(the_earliest_is_first_whatever_is_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
