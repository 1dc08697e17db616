/* SPDX-License-Identifier: MIT */
/*
 * Deadlines neither come early nor overflow, and poll(2) never gets too short a time. The test sets
 * the clock.
 */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <sys/timex.h>
#include <time.h>

#include "unit.h"

static uint64_t now_ns, wall_ns;

/* The kernel's state of the wall clock. */
static struct timex kernels;
static int kernels_state;

int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_adjtimex(struct timex *timex);

int __wrap_adjtimex(struct timex *timex)
{
	assert_int_equal(timex->modes, 0);
	*timex = kernels;
	errno = EPERM;
	return kernels_state;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	assert_true(clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME);
	uint64_t ns = clock == CLOCK_REALTIME ? wall_ns : now_ns;
	time->tv_sec = (time_t)(ns / CLOCK_NS_PER_S);
	time->tv_nsec = (long)(ns % CLOCK_NS_PER_S);
	return 0;
}

TEST(now_is_seconds_and_nanoseconds_together)
{
	now_ns = UINT64_C(12345678901234567);
	assert_int_equal(clock_now_ns(), now_ns);
}

TEST(a_moment_by_the_clock_on_the_wall_is_as_far_from_now)
{
	now_ns = 1000;
	wall_ns = UINT64_C(1792236345000000000);
	assert_int_equal(clock_since_epoch_ns(1000), wall_ns);
	assert_int_equal(clock_since_epoch_ns(400), wall_ns - 600);
	assert_int_equal(clock_since_epoch_ns(1700), wall_ns + 700);
}

TEST(a_deadline_is_a_time_from_now)
{
	now_ns = 7 * CLOCK_NS_PER_S;
	assert_int_equal(clock_deadline_ns(0), now_ns);
	assert_int_equal(clock_deadline_ns(3 * CLOCK_NS_PER_S), 10 * CLOCK_NS_PER_S);
}

TEST(a_deadline_beyond_64_bits_never_comes)
{
	now_ns = 100;
	assert_int_equal(clock_deadline_ns(CLOCK_NEVER - 101), CLOCK_NEVER - 1);
	assert_int_equal(clock_deadline_ns(CLOCK_NEVER - 100), CLOCK_NEVER);
	assert_int_equal(clock_deadline_ns(CLOCK_NEVER - 99), CLOCK_NEVER);
	assert_int_equal(clock_deadline_ns(CLOCK_NEVER), CLOCK_NEVER);
}

TEST(the_earlier_deadline_wins_and_never_always_loses)
{
	assert_int_equal(clock_earlier_ns(1, 2), 1);
	assert_int_equal(clock_earlier_ns(2, 1), 1);
	assert_int_equal(clock_earlier_ns(3, 3), 3);
	assert_int_equal(clock_later_ns(1, 2), 2);
	assert_int_equal(clock_later_ns(CLOCK_NEVER, 5), CLOCK_NEVER);
	assert_int_equal(clock_earlier_ns(CLOCK_NEVER, 5), 5);
	assert_int_equal(clock_earlier_ns(5, CLOCK_NEVER), 5);
	assert_int_equal(clock_earlier_ns(CLOCK_NEVER, CLOCK_NEVER), CLOCK_NEVER);
}

TEST(what_is_left_is_rounded_up_to_whole_milliseconds)
{
	static const struct {
		uint64_t left_ns;
		int ms;
	} rows[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ CLOCK_NS_PER_MS - 1, 1 },
		{ CLOCK_NS_PER_MS, 1 },
		{ CLOCK_NS_PER_MS + 1, 2 },
		{ 250 * CLOCK_NS_PER_MS, 250 },
		{ 3 * CLOCK_NS_PER_S + 1, 3001 },
	};
	now_ns = 5 * CLOCK_NS_PER_S;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(clock_poll_ms(now_ns + rows[i].left_ns), rows[i].ms);
}

TEST(a_deadline_that_has_passed_is_not_waited_for)
{
	now_ns = 5 * CLOCK_NS_PER_S;
	assert_int_equal(clock_poll_ms(now_ns - 1), 0);
	assert_int_equal(clock_poll_ms(0), 0);
}

TEST(never_is_waited_for_without_end)
{
	assert_int_equal(clock_poll_ms(CLOCK_NEVER), -1);
}

TEST(more_than_an_int_of_milliseconds_is_as_much_as_poll_can_wait)
{
	now_ns = 5 * CLOCK_NS_PER_S;
	uint64_t most_ns = INT_MAX * CLOCK_NS_PER_MS;
	assert_int_equal(clock_poll_ms(now_ns + most_ns - CLOCK_NS_PER_MS), INT_MAX - 1);
	assert_int_equal(clock_poll_ms(now_ns + most_ns), INT_MAX);
	assert_int_equal(clock_poll_ms(now_ns + most_ns + CLOCK_NS_PER_MS), INT_MAX);
	assert_int_equal(clock_poll_ms(CLOCK_NEVER - 1), INT_MAX);
}

TEST(the_kernel_states_the_error_bound_of_the_clock)
{
	struct clock_trust trust;
	kernels = (struct timex){ .status = STA_PLL | STA_NANO, .maxerror = 12345 };
	kernels_state = TIME_OK;
	assert_int_equal(clock_query_sync(&trust), 0);
	assert_true(trust.is_synchronised);
	assert_int_equal(trust.max_error_ns, 12345000);

	kernels_state = TIME_INS; /* a leap second is to come */
	assert_int_equal(clock_query_sync(&trust), 0);
	assert_true(trust.is_synchronised);
}

TEST(an_unsynchronised_clock_has_no_error_bound)
{
	struct clock_trust trust;
	kernels = (struct timex){ .maxerror = 500 };
	kernels_state = TIME_ERROR;
	assert_int_equal(clock_query_sync(&trust), 0);
	assert_false(trust.is_synchronised);
	assert_int_equal(trust.max_error_ns, 0);

	kernels.status = STA_UNSYNC;
	kernels_state = TIME_OK;
	assert_int_equal(clock_query_sync(&trust), 0);
	assert_false(trust.is_synchronised);
}

TEST(where_the_kernel_may_not_be_asked_nothing_is_said)
{
	struct clock_trust trust = { .max_error_ns = 7 };
	kernels_state = -1;
	assert_int_equal(clock_query_sync(&trust), -EPERM);
	assert_int_equal(trust.max_error_ns, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(now_is_seconds_and_nanoseconds_together),
		cmocka_unit_test(a_moment_by_the_clock_on_the_wall_is_as_far_from_now),
		cmocka_unit_test(a_deadline_is_a_time_from_now),
		cmocka_unit_test(a_deadline_beyond_64_bits_never_comes),
		cmocka_unit_test(the_earlier_deadline_wins_and_never_always_loses),
		cmocka_unit_test(what_is_left_is_rounded_up_to_whole_milliseconds),
		cmocka_unit_test(a_deadline_that_has_passed_is_not_waited_for),
		cmocka_unit_test(never_is_waited_for_without_end),
		cmocka_unit_test(more_than_an_int_of_milliseconds_is_as_much_as_poll_can_wait),
		cmocka_unit_test(the_kernel_states_the_error_bound_of_the_clock),
		cmocka_unit_test(an_unsynchronised_clock_has_no_error_bound),
		cmocka_unit_test(where_the_kernel_may_not_be_asked_nothing_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
