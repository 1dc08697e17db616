/* SPDX-License-Identifier: MIT */
/* Times of many connections: whatever is set in whatever order, the earliest comes first. */
#include "client/timer_heap.h"

#include <stdlib.h>

#include "base/clock.h"
#include "unit.h"

TEST(at_first_no_process_sleeps)
{
	struct timer_heap timers;
	uint32_t connection;
	assert_int_equal(timer_heap_open(&timers, 3), 0);
	assert_true(timer_heap_next_ns(&timers) == CLOCK_NEVER);
	assert_false(timer_heap_due(&timers, CLOCK_NEVER, &connection));
	timer_heap_close(&timers);
}

TEST(one_is_due_at_its_time_and_not_before)
{
	struct timer_heap timers;
	uint32_t connection = 9;
	assert_int_equal(timer_heap_open(&timers, 3), 0);
	timer_heap_set(&timers, 1, 100);
	assert_int_equal(timer_heap_next_ns(&timers), 100);
	assert_false(timer_heap_due(&timers, 99, &connection));
	assert_true(timer_heap_due(&timers, 100, &connection));
	assert_int_equal(connection, 1);
	timer_heap_set(&timers, 1, CLOCK_NEVER);
	assert_false(timer_heap_due(&timers, UINT64_MAX, &connection));
	timer_heap_close(&timers);
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
		struct timer_heap timers;
		uint64_t times[MOST];
		assert_int_equal(timer_heap_open(&timers, n), 0);
		for (uint32_t i = 0; i < n; i++)
			times[i] = CLOCK_NEVER;
		for (int round = 0; round < 500; round++) {
			uint32_t connection = (uint32_t)rand() % n;
			times[connection] =
				rand() % 10 == 0 ? CLOCK_NEVER : (uint64_t)(rand() % 50);
			timer_heap_set(&timers, connection, times[connection]);
			uint64_t least = least_of(times, n);
			assert_true(timer_heap_next_ns(&timers) == least);
			if (timer_heap_due(&timers, 50, &connection))
				assert_true(times[connection] == least);
			else
				assert_true(least == CLOCK_NEVER);
		}
		timer_heap_close(&timers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_first_no_process_sleeps),
		cmocka_unit_test(one_is_due_at_its_time_and_not_before),
		cmocka_unit_test(the_earliest_is_first_whatever_is_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
