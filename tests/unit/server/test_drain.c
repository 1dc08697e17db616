/* SPDX-License-Identifier: MIT */
/*
 * How a server ends: every phase by every event.
 */
#include "server/drain.h"

#include <signal.h>

#include "base/clock.h"
#include "net/listen.h"
#include "server/session.h"
#include "unit.h"

#define NOW     (1000 * CLOCK_NS_PER_S)
#define TIMEOUT (30 * CLOCK_NS_PER_S)

/* A drain in that phase, by the way that leads there; asked by TERM at NOW. */
static struct drain drain_in(enum drain_phase phase)
{
	struct drain drain = { 0 };
	if (phase >= DRAIN_DRAINING)
		assert_true(drain_ask(&drain, SIGTERM, NOW, TIMEOUT));
	if (phase >= DRAIN_CALLING_OFF)
		assert_true(drain_pass_time(&drain, NOW + TIMEOUT));
	if (phase >= DRAIN_KILLING)
		assert_true(drain_pass_time(&drain, NOW + TIMEOUT + DRAIN_PATIENCE_NS));
	assert_int_equal(drain.phase, phase);
	return drain;
}

TEST(a_zeroed_drain_is_serving_and_waits_for_nothing)
{
	struct drain drain = { 0 };
	assert_int_equal(drain.phase, DRAIN_SERVING);
	assert_int_equal(drain_deadline_ns(&drain), CLOCK_NEVER);
}

TEST(a_signal_moves_every_phase_where_the_picture_says)
{
	static const struct {
		enum drain_phase from, to;
		bool is_new;
		int asked_by, ended_by;
	} rows[] = {
		{ DRAIN_SERVING, DRAIN_DRAINING, true, SIGINT, 0 },
		{ DRAIN_DRAINING, DRAIN_KILLING, true, SIGTERM, SIGINT },
		{ DRAIN_CALLING_OFF, DRAIN_KILLING, true, SIGTERM, SIGINT },
		{ DRAIN_KILLING, DRAIN_KILLING, false, SIGTERM, SIGINT },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct drain drain = drain_in(rows[i].from);
		assert_int_equal(drain_ask(&drain, SIGINT, NOW, TIMEOUT), rows[i].is_new);
		assert_int_equal(drain.phase, rows[i].to);
		assert_int_equal(drain.asked_by, rows[i].asked_by);
		assert_int_equal(drain.ended_by, rows[i].ended_by);
	}
}

TEST(of_several_impatient_signals_the_first_is_the_one_to_end_by)
{
	struct drain drain = drain_in(DRAIN_DRAINING);
	assert_true(drain_ask(&drain, SIGINT, NOW, TIMEOUT));
	assert_false(drain_ask(&drain, SIGTERM, NOW, TIMEOUT));
	assert_int_equal(drain.ended_by, SIGINT);
}

TEST(time_moves_every_phase_at_its_deadline_and_not_before)
{
	static const struct {
		enum drain_phase from, to;
		uint64_t deadline_ns;
	} rows[] = {
		{ DRAIN_SERVING, DRAIN_SERVING, CLOCK_NEVER },
		{ DRAIN_DRAINING, DRAIN_CALLING_OFF, NOW + TIMEOUT },
		{ DRAIN_CALLING_OFF, DRAIN_KILLING, NOW + TIMEOUT + DRAIN_PATIENCE_NS },
		{ DRAIN_KILLING, DRAIN_KILLING, CLOCK_NEVER },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct drain drain = drain_in(rows[i].from);
		assert_int_equal(drain_deadline_ns(&drain), rows[i].deadline_ns);
		assert_false(drain_pass_time(&drain, rows[i].deadline_ns - 1));
		assert_int_equal(drain.phase, rows[i].from);

		bool is_new = rows[i].to != rows[i].from;
		uint64_t then_ns = is_new ? rows[i].deadline_ns : NOW + 100 * TIMEOUT;
		assert_int_equal(drain_pass_time(&drain, then_ns), is_new);
		assert_int_equal(drain.phase, rows[i].to);
		assert_int_equal(drain.ended_by, 0); /* nobody was impatient */
	}
}

TEST(patience_begins_when_the_lifeline_is_cut_however_late_that_is)
{
	struct drain drain = drain_in(DRAIN_DRAINING);
	uint64_t late_ns = NOW + TIMEOUT + 77 * CLOCK_NS_PER_S;
	assert_true(drain_pass_time(&drain, late_ns));
	assert_int_equal(drain.phase, DRAIN_CALLING_OFF);
	assert_int_equal(drain_deadline_ns(&drain), late_ns + DRAIN_PATIENCE_NS);
}

TEST(without_a_drain_timeout_clients_are_called_off_at_once)
{
	struct drain drain = { 0 };
	assert_true(drain_ask(&drain, SIGTERM, NOW, 0));
	assert_int_equal(drain.phase, DRAIN_DRAINING);
	assert_true(drain_pass_time(&drain, NOW));
	assert_int_equal(drain.phase, DRAIN_CALLING_OFF);
}

TEST(the_longest_drain_timeout_does_not_overflow)
{
	struct drain drain = { 0 };
	uint64_t hundred_years_ns = UINT64_C(876000) * 3600 * CLOCK_NS_PER_S;
	assert_true(drain_ask(&drain, SIGTERM, NOW, hundred_years_ns));
	assert_false(drain_pass_time(&drain, NOW + TIMEOUT));
	assert_int_equal(drain_deadline_ns(&drain), NOW + hundred_years_ns);
}

TEST(a_child_may_linger_for_less_than_the_patience)
{
	/* Else it would be killed in its lingering close. */
	/* In the worst case it is in its third receive, and all three last as long as they may. */
	uint64_t longest_ns = SESSION_LINGER_CALLED_OFF_NS + 3 * LISTEN_PATIENCE_NS;
	assert_true(DRAIN_PATIENCE_NS >= longest_ns + CLOCK_NS_PER_S); /* a busy machine */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_drain_is_serving_and_waits_for_nothing),
		cmocka_unit_test(a_signal_moves_every_phase_where_the_picture_says),
		cmocka_unit_test(of_several_impatient_signals_the_first_is_the_one_to_end_by),
		cmocka_unit_test(time_moves_every_phase_at_its_deadline_and_not_before),
		cmocka_unit_test(patience_begins_when_the_lifeline_is_cut_however_late_that_is),
		cmocka_unit_test(without_a_drain_timeout_clients_are_called_off_at_once),
		cmocka_unit_test(the_longest_drain_timeout_does_not_overflow),
		cmocka_unit_test(a_child_may_linger_for_less_than_the_patience),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
