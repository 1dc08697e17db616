/* SPDX-License-Identifier: MIT */
/* Every transition in the echo's diagram, and no other. tests/sim tests sequences of them. */
#include "echo/echo.h"

#include "unit.h"

/* Events of the echo. */
enum event { GOT, ENDED, SENT_SOME, SENT_ALL, FINISHED, STOP, FAILED, N_EVENTS };

#define N_WANTS (ECHO_CLOSE + 1)

#define KEPT 10
#define SOME 4

/*
 * Returns an echo that wants this, reached by possible events; `stopped`: the server has ended it.
 */
static struct echo echo_that_wants(enum echo_want want, bool stopped)
{
	struct echo echo = { 0 };
	switch (want) {
	case ECHO_READ:
		break;
	case ECHO_WRITE:
		echo_got(&echo, KEPT);
		break;
	case ECHO_FINISH:
		stopped ? echo_stop(&echo) : echo_ended(&echo);
		break;
	case ECHO_DISCARD:
		echo_stop(&echo);
		echo_finished(&echo);
		break;
	case ECHO_CLOSE:
		echo_failed(&echo);
		break;
	}
	assert_int_equal(echo_wants(&echo), want);
	return echo;
}

static void tell(struct echo *echo, enum event event)
{
	switch (event) {
	case GOT:
		echo_got(echo, KEPT);
		break;
	case ENDED:
		echo_ended(echo);
		break;
	case SENT_SOME:
		echo_sent(echo, SOME);
		break;
	case SENT_ALL:
		echo_sent(echo, KEPT);
		break;
	case FINISHED:
		echo_finished(echo);
		break;
	case STOP:
		echo_stop(echo);
		break;
	case FAILED:
		echo_failed(echo);
		break;
	case N_EVENTS:
		break;
	}
}

/* ---- the picture ---- */

/* No driver may report this event to an echo that wants this. */
#define BUG (-1)

static const int picture[N_WANTS][N_EVENTS] = {
	[ECHO_READ] = {
		[GOT] = ECHO_WRITE,
		[ENDED] = ECHO_FINISH,
		[SENT_SOME] = BUG,
		[SENT_ALL] = BUG,
		[FINISHED] = BUG,
		[STOP] = ECHO_FINISH,
		[FAILED] = ECHO_CLOSE,
	},
	[ECHO_WRITE] = {
		[GOT] = BUG,
		[ENDED] = BUG,
		[SENT_SOME] = ECHO_WRITE,
		[SENT_ALL] = ECHO_READ,
		[FINISHED] = BUG,
		[STOP] = ECHO_FINISH,
		[FAILED] = ECHO_CLOSE,
	},
	[ECHO_FINISH] = {
		[GOT] = BUG,
		[ENDED] = BUG,
		[SENT_SOME] = BUG,
		[SENT_ALL] = BUG,
		[FINISHED] = ECHO_CLOSE, /* or ECHO_DISCARD, when stopped */
		[STOP] = ECHO_FINISH,
		[FAILED] = ECHO_CLOSE,
	},
	[ECHO_DISCARD] = {
		[GOT] = ECHO_DISCARD,
		[ENDED] = ECHO_CLOSE,
		[SENT_SOME] = BUG,
		[SENT_ALL] = BUG,
		[FINISHED] = BUG,
		[STOP] = ECHO_CLOSE,
		[FAILED] = ECHO_CLOSE,
	},
	[ECHO_CLOSE] = {
		[GOT] = BUG,
		[ENDED] = BUG,
		[SENT_SOME] = BUG,
		[SENT_ALL] = BUG,
		[FINISHED] = BUG,
		[STOP] = BUG,
		[FAILED] = ECHO_CLOSE,
	},
};

TEST(every_event_leads_to_the_state_of_the_picture)
{
	for (int want = ECHO_READ; want < N_WANTS; want++) {
		for (int event = 0; event < N_EVENTS; event++) {
			if (picture[want][event] == BUG)
				continue;
			struct echo echo = echo_that_wants((enum echo_want)want, false);
			tell(&echo, (enum event)event);
			assert_int_equal(echo_wants(&echo), picture[want][event]);
		}
	}
}

struct bug {
	enum echo_want want;
	enum event event;
};

static void make_a_bug(const void *argument)
{
	const struct bug *bug = argument;
	struct echo echo = echo_that_wants(bug->want, false);
	tell(&echo, bug->event);
}

TEST(every_other_event_is_a_bug_of_the_driver)
{
	for (int want = ECHO_READ; want < N_WANTS; want++) {
		for (int event = 0; event < N_EVENTS; event++) {
			if (picture[want][event] != BUG)
				continue;
			struct bug bug = { (enum echo_want)want, (enum event)event };
			unit_child_dies_of(SIGABRT, make_a_bug, &bug);
		}
	}
}

TEST(a_zeroed_echo_has_just_been_accepted)
{
	struct echo echo = { 0 };
	assert_int_equal(echo_wants(&echo), ECHO_READ);
	assert_int_equal(echo.in, 0);
	assert_int_equal(echo.out, 0);
	assert_false(echo.stopped);
}

/* ---- what is kept ---- */

TEST(what_was_got_is_kept_until_all_of_it_was_sent)
{
	struct echo echo = { 0 };
	size_t at = 4242;
	echo_got(&echo, KEPT);
	assert_int_equal(echo_kept(&echo, &at), KEPT);
	assert_int_equal(at, 0);
	for (size_t sent = 1; sent < KEPT; sent++) {
		echo_sent(&echo, 1);
		assert_int_equal(echo_kept(&echo, &at), KEPT - sent);
		assert_int_equal(at, sent);
		assert_int_equal(echo_wants(&echo), ECHO_WRITE);
	}
	echo_sent(&echo, 1);
	assert_int_equal(echo_wants(&echo), ECHO_READ);
	assert_int_equal(echo.in, KEPT);
	assert_int_equal(echo.out, KEPT);
}

TEST(every_message_begins_at_the_front_of_the_buffer)
{
	struct echo echo = { 0 };
	size_t at = 4242;
	echo_got(&echo, KEPT);
	echo_sent(&echo, SOME);
	echo_sent(&echo, KEPT - SOME);
	echo_got(&echo, 3);
	assert_int_equal(echo_kept(&echo, &at), 3);
	assert_int_equal(at, 0);
}

TEST(counts_go_beyond_32_bits)
{
	struct echo echo = { 0 };
	size_t gigabyte = (size_t)1 << 30;
	for (int i = 0; i < 8; i++) {
		echo_got(&echo, gigabyte);
		echo_sent(&echo, gigabyte);
	}
	assert_int_equal(echo.in, UINT64_C(8) << 30);
	assert_int_equal(echo.out, UINT64_C(8) << 30);
}

static void get_nothing(const void *argument)
{
	(void)argument;
	struct echo echo = { 0 };
	echo_got(&echo, 0);
}

static void send_nothing(const void *argument)
{
	(void)argument;
	struct echo echo = echo_that_wants(ECHO_WRITE, false);
	echo_sent(&echo, 0);
}

static void send_more_than_is_kept(const void *argument)
{
	(void)argument;
	struct echo echo = echo_that_wants(ECHO_WRITE, false);
	echo_sent(&echo, KEPT + 1);
}

static void ask_what_is_kept(const void *argument)
{
	(void)argument;
	struct echo echo = { 0 };
	size_t at;
	ignore_result((long)echo_kept(&echo, &at)); /* this call does not return */
}

TEST(impossible_counts_are_bugs_of_the_driver)
{
	unit_child_dies_of(SIGABRT, get_nothing, NULL);
	unit_child_dies_of(SIGABRT, send_nothing, NULL);
	unit_child_dies_of(SIGABRT, send_more_than_is_kept, NULL);
	unit_child_dies_of(SIGABRT, ask_what_is_kept, NULL);
}

/* ---- ends ---- */

TEST(the_clients_end_is_answered_by_a_fin_and_then_it_is_over)
{
	struct echo echo = { 0 };
	echo_got(&echo, KEPT);
	echo_sent(&echo, KEPT);
	echo_ended(&echo);
	assert_int_equal(echo_wants(&echo), ECHO_FINISH);
	echo_finished(&echo);
	assert_int_equal(echo_wants(&echo), ECHO_CLOSE);
	assert_int_equal(echo.in, echo.out);
}

TEST(a_stopped_client_gets_a_fin_and_is_read_until_it_ends)
{
	static const enum echo_want from[] = { ECHO_READ, ECHO_WRITE, ECHO_FINISH };
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		struct echo echo = echo_that_wants(from[i], false);
		echo_stop(&echo);
		assert_int_equal(echo_wants(&echo), ECHO_FINISH);
		echo_finished(&echo);
		assert_int_equal(echo_wants(&echo), ECHO_DISCARD);
		echo_got(&echo, 100);
		echo_got(&echo, 100);
		assert_int_equal(echo_wants(&echo), ECHO_DISCARD);
		echo_ended(&echo);
		assert_int_equal(echo_wants(&echo), ECHO_CLOSE);
	}
}

TEST(what_comes_after_a_stop_is_counted_and_not_echoed)
{
	struct echo echo = echo_that_wants(ECHO_WRITE, false);
	echo_sent(&echo, SOME);
	echo_stop(&echo);
	echo_finished(&echo);
	echo_got(&echo, 7);
	assert_int_equal(echo.in, KEPT + 7);
	assert_int_equal(echo.out, SOME);
}

TEST(a_second_stop_before_the_fin_does_not_skip_it)
{
	struct echo echo = echo_that_wants(ECHO_FINISH, true);
	echo_stop(&echo);
	assert_int_equal(echo_wants(&echo), ECHO_FINISH);
	echo_finished(&echo);
	assert_int_equal(echo_wants(&echo), ECHO_DISCARD);
}

TEST(a_broken_connection_keeps_nothing)
{
	struct echo echo = echo_that_wants(ECHO_WRITE, false);
	echo_failed(&echo);
	assert_int_equal(echo_wants(&echo), ECHO_CLOSE);
	assert_int_equal(echo.kept, 0);
	assert_int_equal(echo.in, KEPT);
	assert_int_equal(echo.out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_leads_to_the_state_of_the_picture),
		cmocka_unit_test(every_other_event_is_a_bug_of_the_driver),
		cmocka_unit_test(a_zeroed_echo_has_just_been_accepted),
		cmocka_unit_test(what_was_got_is_kept_until_all_of_it_was_sent),
		cmocka_unit_test(every_message_begins_at_the_front_of_the_buffer),
		cmocka_unit_test(counts_go_beyond_32_bits),
		cmocka_unit_test(impossible_counts_are_bugs_of_the_driver),
		cmocka_unit_test(the_clients_end_is_answered_by_a_fin_and_then_it_is_over),
		cmocka_unit_test(a_stopped_client_gets_a_fin_and_is_read_until_it_ends),
		cmocka_unit_test(what_comes_after_a_stop_is_counted_and_not_echoed),
		cmocka_unit_test(a_second_stop_before_the_fin_does_not_skip_it),
		cmocka_unit_test(a_broken_connection_keeps_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
