/* SPDX-License-Identifier: MIT */
/* The shutdown of a server: every phase with every event. */
#include "server/drain.h"

#include <signal.h>

#include "base/clock.h"
#include "net/listen.h"
#include "net/signals.h"
#include "server/linger.h"
#include "unit.h"

#define NOW     (1000 * CLOCK_NS_PER_S)
#define TIMEOUT (30 * CLOCK_NS_PER_S)

/* Time passes until then, for a server that checks the clock at each deadline. */
static bool pass_until(struct drain *drain, uint64_t now_ns)
{
	uint64_t next_read_ns;
	while ((next_read_ns = drain_deadline_ns(drain)) < now_ns) {
		if (drain_check_time(drain, next_read_ns))
			return true;
	}
	return drain_check_time(drain, now_ns);
}

/* Returns a drain in that phase, reached by the normal events; requested by TERM at NOW. */
static struct drain drain_in(enum drain_phase phase)
{
	struct drain drain = { 0 };
	if (phase >= DRAIN_DRAINING)
		assert_true(drain_request(&drain, SIGTERM, NOW, TIMEOUT));
	if (phase >= DRAIN_ABORTING)
		assert_true(pass_until(&drain, NOW + TIMEOUT));
	if (phase >= DRAIN_KILLING)
		assert_true(pass_until(&drain, NOW + TIMEOUT + DRAIN_ABORT_NS));
	assert_int_equal(drain.phase, phase);
	return drain;
}

TEST(a_zeroed_drain_is_serving_and_waits_for_nothing)
{
	struct drain drain = { 0 };
	assert_int_equal(drain.phase, DRAIN_SERVING);
	assert_int_equal(drain_deadline_ns(&drain), CLOCK_NEVER);
}

TEST(a_signal_moves_every_phase_as_in_the_picture)
{
	static const struct {
		enum drain_phase from, to;
		bool is_new;
		int requested_by, ended_by;
	} rows[] = {
		{ DRAIN_SERVING, DRAIN_DRAINING, true, SIGINT, 0 },
		{ DRAIN_DRAINING, DRAIN_KILLING, true, SIGTERM, SIGINT },
		{ DRAIN_ABORTING, DRAIN_KILLING, true, SIGTERM, SIGINT },
		{ DRAIN_KILLING, DRAIN_KILLING, false, SIGTERM, SIGINT },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct drain drain = drain_in(rows[i].from);
		drain.signals_read_ns = NOW + SIGNALS_SAME_REQUEST_NS;
		assert_int_equal(drain_request(&drain, SIGINT, NOW, TIMEOUT), rows[i].is_new);
		assert_int_equal(drain.phase, rows[i].to);
		assert_int_equal(drain.requested_by, rows[i].requested_by);
		assert_int_equal(drain.ended_by, rows[i].ended_by);
	}
}

TEST(of_several_second_signals_the_first_is_the_one_to_end_by)
{
	struct drain drain = drain_in(DRAIN_DRAINING);
	drain.signals_read_ns = NOW + SIGNALS_SAME_REQUEST_NS;
	assert_true(drain_request(&drain, SIGINT, NOW, TIMEOUT));
	assert_false(drain_request(&drain, SIGTERM, NOW, TIMEOUT));
	assert_int_equal(drain.ended_by, SIGINT);
}

TEST(signals_that_may_belong_to_the_first_request_change_nothing)
{
	static const enum drain_phase phases[] = { DRAIN_DRAINING, DRAIN_ABORTING };
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		struct drain drain = drain_in(phases[i]);
		uint64_t deadline_ns = drain.deadline_ns;
		drain.signals_read_ns = NOW + SIGNALS_SAME_REQUEST_NS - 1;
		assert_false(drain_request(&drain, SIGTERM, NOW, TIMEOUT));
		/* Read an hour later: the server was stopped, so the signal may be an hour old. */
		uint64_t later_ns = NOW + 3600 * CLOCK_NS_PER_S;
		assert_false(drain_request(&drain, SIGINT, later_ns, TIMEOUT));
		assert_int_equal(drain.phase, phases[i]);
		assert_int_equal(drain.deadline_ns, deadline_ns);
		assert_int_equal(drain.ended_by, 0);
	}
}

TEST(time_moves_every_phase_at_its_deadline_and_not_before)
{
	static const struct {
		enum drain_phase from, to;
		uint64_t deadline_ns;
	} rows[] = {
		{ DRAIN_SERVING, DRAIN_SERVING, CLOCK_NEVER },
		{ DRAIN_DRAINING, DRAIN_ABORTING, NOW + TIMEOUT },
		{ DRAIN_ABORTING, DRAIN_KILLING, NOW + TIMEOUT + DRAIN_ABORT_NS },
		{ DRAIN_KILLING, DRAIN_KILLING, CLOCK_NEVER },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct drain drain = drain_in(rows[i].from);
		assert_int_equal(drain_deadline_ns(&drain) == CLOCK_NEVER,
				 rows[i].deadline_ns == CLOCK_NEVER);
		assert_false(pass_until(&drain, rows[i].deadline_ns - 1));
		assert_int_equal(drain.phase, rows[i].from);

		bool is_new = rows[i].to != rows[i].from;
		uint64_t then_ns = is_new ? rows[i].deadline_ns : NOW + 100 * TIMEOUT;
		assert_int_equal(pass_until(&drain, then_ns), is_new);
		assert_int_equal(drain.phase, rows[i].to);
		assert_int_equal(drain.ended_by, 0); /* no second request */
	}
}

TEST(a_server_that_was_stopped_has_lost_no_time_of_a_phase)
{
	static const enum drain_phase phases[] = { DRAIN_DRAINING, DRAIN_ABORTING };
	static const uint64_t stopped_ns[] = { CLOCK_NS_PER_S, 3600 * CLOCK_NS_PER_S };
	for (size_t i = 0; i < ARRAY_LEN(phases) * ARRAY_LEN(stopped_ns); i++) {
		struct drain drain = drain_in(phases[i % 2]);
		uint64_t before_ns = drain.deadline_ns;
		uint64_t now_ns = drain.checked_ns + DRAIN_CHECK_NS + stopped_ns[i / 2];
		assert_false(drain_check_time(&drain, now_ns));
		assert_int_equal(drain.phase, phases[i % 2]);
		assert_int_equal(drain.deadline_ns, before_ns + stopped_ns[i / 2]);
		assert_true(pass_until(&drain, drain.deadline_ns));
	}
}

TEST(a_poll_that_is_a_little_late_delays_nothing)
{
	struct drain drain = drain_in(DRAIN_DRAINING);
	for (uint64_t now_ns = NOW; now_ns < NOW + TIMEOUT; now_ns += DRAIN_LATE_NS)
		assert_false(drain_check_time(&drain, now_ns));
	assert_true(drain_check_time(&drain, NOW + TIMEOUT));
}

TEST(without_a_drain_timeout_clients_are_aborted_at_once)
{
	struct drain drain = { 0 };
	assert_true(drain_request(&drain, SIGTERM, NOW, 0));
	assert_int_equal(drain.phase, DRAIN_DRAINING);
	assert_true(drain_check_time(&drain, NOW));
	assert_int_equal(drain.phase, DRAIN_ABORTING);
}

TEST(the_longest_drain_timeout_does_not_overflow)
{
	struct drain drain = { 0 };
	uint64_t hundred_years_ns = UINT64_C(876000) * 3600 * CLOCK_NS_PER_S;
	assert_true(drain_request(&drain, SIGTERM, NOW, hundred_years_ns));
	assert_false(pass_until(&drain, NOW + TIMEOUT));
	assert_int_equal(drain.deadline_ns, NOW + hundred_years_ns);
	drain = (struct drain){ 0 };
	assert_true(drain_request(&drain, SIGTERM, NOW, CLOCK_NEVER));
	assert_false(pass_until(&drain, NOW + TIMEOUT));
	assert_int_equal(drain.deadline_ns, CLOCK_NEVER);
}

TEST(a_child_lingers_for_less_than_the_linger_timeout)
{
	/* Otherwise the child would be killed during its lingering close. */
	/* In the worst case it is in its third receive, and all three take the maximum time. */
	uint64_t longest_ns = LINGER_ABORTING_NS + 3 * LISTEN_RETRY_NS;
	assert_true(DRAIN_ABORT_NS >= longest_ns + CLOCK_NS_PER_S); /* a busy machine */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_drain_is_serving_and_waits_for_nothing),
		cmocka_unit_test(a_signal_moves_every_phase_as_in_the_picture),
		cmocka_unit_test(of_several_second_signals_the_first_is_the_one_to_end_by),
		cmocka_unit_test(signals_that_may_belong_to_the_first_request_change_nothing),
		cmocka_unit_test(time_moves_every_phase_at_its_deadline_and_not_before),
		cmocka_unit_test(a_server_that_was_stopped_has_lost_no_time_of_a_phase),
		cmocka_unit_test(a_poll_that_is_a_little_late_delays_nothing),
		cmocka_unit_test(without_a_drain_timeout_clients_are_aborted_at_once),
		cmocka_unit_test(the_longest_drain_timeout_does_not_overflow),
		cmocka_unit_test(a_child_lingers_for_less_than_the_linger_timeout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
