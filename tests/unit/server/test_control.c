/* SPDX-License-Identifier: MIT */
/* What the controlling process reads from signals, counts and logs, whatever the engine. */
#include "server/control.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "net/signals.h"
#include "one_server.h"
#include "unit.h"

/* ---- totals ---- */

TEST(totals_include_the_ended_and_the_current_clients)
{
	control.totals = (struct totals){
		.accepted = 120, .ended = 117, .killed = 1, .turned_away = 2, .in = 1000, .out = 900
	};
	enter(100, 50, 40);
	enter(101, 7, 7);
	unit_capture_begin(&log_of, STDERR_FILENO);
	control_log_totals(&server);
	control_log_totals(&server); /* logging does not change them */
	unit_capture_end(&log_of);
	const char *line = "totals clients=2 accepted=120 ended=117 killed=1 turned_away=2 "
			   "in=1057 out=947\n";
	assert_int_equal(log_of.size, 2 * strlen(line));
	assert_memory_equal(log_of.text, line, strlen(line));
	assert_string_equal(log_of.text + strlen(line), line);
}

TEST(what_a_worker_reported_counts_as_if_measured_here)
{
	struct peer peer = peer_number(7);
	static const struct {
		enum close_reason reason;
		int signal;
		uint32_t serial;
		enum drain_phase phase;
		struct totals totals;
	} rows[] = {
		{ CLOSE_EOF, 0, 1, DRAIN_SERVING, { .ended = 1, .in = 3, .out = 2 } },
		{ CLOSE_SOURCE, 0, 0, DRAIN_SERVING, { .turned_away = 1, .in = 3, .out = 2 } },
		{ CLOSE_DRAIN,
		  0,
		  1,
		  DRAIN_DRAINING,
		  { .ended = 1, .cut_off = 1, .in = 3, .out = 2 } },
		{ CLOSE_DRAIN,
		  0,
		  0,
		  DRAIN_DRAINING,
		  { .turned_away = 1, .cut_off = 1, .in = 3, .out = 2 } },
		{ CLOSE_KILLED,
		  SIGKILL,
		  1,
		  DRAIN_SERVING,
		  { .ended = 1, .killed = 1, .in = 3, .out = 2 } },
		{ CLOSE_KILLED,
		  SIGKILL,
		  1,
		  DRAIN_DRAINING,
		  { .ended = 1, .killed = 1, .cut_off = 1, .in = 3, .out = 2 } },
		{ CLOSE_ERROR, 0, 1, DRAIN_SERVING, { .ended = 1, .in = 3, .out = 2 } },
		{ CLOSE_ERROR,
		  0,
		  1,
		  DRAIN_ABORTING,
		  { .ended = 1, .cut_off = 1, .in = 3, .out = 2 } },
		{ CLOSE_EOF, 0, 1, DRAIN_DRAINING, { .ended = 1, .in = 3, .out = 2 } },
		{ CLOSE_RESET, 0, 1, DRAIN_DRAINING, { .ended = 1, .in = 3, .out = 2 } },
		{ CLOSE_KILLED,
		  SIGKILL,
		  1,
		  DRAIN_KILLING,
		  { .ended = 1, .killed = 1, .cut_off = 1, .in = 3, .out = 2 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		control.totals = (struct totals){ 0 };
		server.drain.phase = rows[i].phase;
		unit_capture_begin(&log_of, STDERR_FILENO);
		control_count(&server, &(struct conn_record){
					       .peer = peer,
					       .in = 3,
					       .out = 2,
					       .reason = rows[i].reason,
					       .signal = rows[i].signal,
					       .serial = rows[i].serial,
					       .was_turned_away = rows[i].serial == 0,
				       });
		unit_capture_end(&log_of);
		assert_memory_equal(&control.totals, &rows[i].totals, sizeof(control.totals));
		assert_int_equal(unit_lines(log_of.text), 1);
	}
}

/* ---- signals ---- */

/* Raises the signals, and lets the server read them. Returns the result; reading logs nothing. */
static struct control_request read_after(const int *signals, size_t n)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	for (size_t i = 0; i < n; i++)
		raise(signals[i]);
	struct control_request request = control_read_signals(&server);
	unit_capture_end(&log_of);
	UNIT_CHILD_MUST(strcmp(log_of.text, "") == 0);
	return request;
}

static bool is_request(struct control_request request, bool child_ended, bool totals,
		       bool new_phase)
{
	return request.child_ended == child_ended && request.totals == totals &&
	       request.new_phase == new_phase;
}

/* Returns the log line of the phase. */
static const char *phase_said(uint32_t n_clients)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	control_log_phase(&server, n_clients);
	unit_capture_end(&log_of);
	return log_of.text;
}

static void read_signals(const void *argument)
{
	(void)argument;
	control.signals_fd = signals_setup_server();
	UNIT_CHILD_MUST(control.signals_fd >= 0);
	enter(100, 0, 0);

	UNIT_CHILD_MUST(is_request(read_after(NULL, 0), false, false, false));
	UNIT_CHILD_MUST(is_request(read_after((int[]){ SIGCHLD }, 1), true, false, false));
	UNIT_CHILD_MUST(is_request(read_after((int[]){ SIGUSR1 }, 1), false, true, false));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_SERVING);

	/* Signals that came with the one that began a phase are read in the next turn. */
	struct control_request first = read_after((int[]){ SIGTERM, SIGCHLD }, 2);
	struct control_request second = read_after(NULL, 0);
	UNIT_CHILD_MUST(first.new_phase && first.child_ended != second.child_ended);
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_DRAINING);
	UNIT_CHILD_MUST(strcmp(phase_said(1),
			       "SIGTERM: no new clients; 1 may finish, for 30s at most\n") == 0);

	/* Signals of the same request. The time is in the future: this test may take any time. */
	server.drain.requested_ns = clock_deadline_ns(3600 * CLOCK_NS_PER_S);
	UNIT_CHILD_MUST(is_request(read_after((int[]){ SIGTERM, SIGINT }, 2), false, false, false));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_DRAINING && server.drain.ended_by == 0);

	server.drain.requested_ns = clock_now_ns() - SIGNALS_SAME_REQUEST_NS;
	UNIT_CHILD_MUST(is_request(read_after(NULL, 0), false, false, false));
	UNIT_CHILD_MUST(is_request(read_after((int[]){ SIGINT }, 1), false, false, true));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_KILLING);
	UNIT_CHILD_MUST(server.drain.ended_by == SIGINT);
	UNIT_CHILD_MUST(strcmp(phase_said(1), "killing 1 client\n") == 0);

	UNIT_CHILD_MUST(is_request(read_after((int[]){ SIGTERM }, 1), false, false, false));
}

TEST(each_signal_does_what_it_is_for)
{
	unit_in_child(read_signals, NULL);
}

TEST(time_alone_ends_the_drain_and_says_so)
{
	uint64_t now_ns = clock_now_ns();
	enter(100, 0, 0);
	server.drain = (struct drain){
		.phase = DRAIN_DRAINING,
		.deadline_ns = now_ns,
		.checked_ns = now_ns,
	};
	assert_true(control_check_time(&server));
	assert_int_equal(server.drain.phase, DRAIN_ABORTING);
	assert_string_equal(phase_said(1), "drain timeout: ending 1 client\n");

	server.drain.deadline_ns = now_ns;
	assert_true(control_check_time(&server));
	assert_false(control_check_time(&server));
	assert_int_equal(server.drain.phase, DRAIN_KILLING);
	assert_string_equal(phase_said(1), "killing 1 client\n");
}

TEST(phases_without_clients_and_with_several_read_right)
{
	static const struct {
		enum drain_phase phase;
		uint32_t n_clients;
		const char *said;
	} rows[] = {
		{ DRAIN_DRAINING, 0, "SIGINT: no new clients; no client is being served\n" },
		{ DRAIN_DRAINING, 2, "SIGINT: no new clients; 2 may finish, for 30s at most\n" },
		{ DRAIN_ABORTING, 0, "drain timeout: no client is being served\n" },
		{ DRAIN_ABORTING, 2, "drain timeout: ending 2 clients\n" },
		{ DRAIN_KILLING, 0, "killing all processes: no client is being served\n" },
		{ DRAIN_KILLING, 2, "killing 2 clients\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		server.drain = (struct drain){ .phase = rows[i].phase, .requested_by = SIGINT };
		assert_string_equal(phase_said(rows[i].n_clients), rows[i].said);
	}
}

TEST(while_it_serves_time_means_nothing)
{
	assert_false(control_check_time(&server));
	assert_int_equal(server.drain.phase, DRAIN_SERVING);
	assert_string_equal(phase_said(1), "");
}

#define CONTROL_TEST(name) cmocka_unit_test_setup_teardown(name, open_server, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(totals_include_the_ended_and_the_current_clients),
		CONTROL_TEST(what_a_worker_reported_counts_as_if_measured_here),
		CONTROL_TEST(each_signal_does_what_it_is_for),
		CONTROL_TEST(time_alone_ends_the_drain_and_says_so),
		CONTROL_TEST(phases_without_clients_and_with_several_read_right),
		CONTROL_TEST(while_it_serves_time_means_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
