/* SPDX-License-Identifier: MIT */
/*
 * What the server hears, counts and says, whatever its engine.
 */
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/signals.h"
#include "unit.h"

static struct server server;
static struct unit_capture log_of;

static int open_server(void **state)
{
	(void)state;
	server = (struct server){ .signals_fd = -1, .drain_timeout_ns = 30 * CLOCK_NS_PER_S };
	return clients_open(&server.clients, 8);
}

static int close_server(void **state)
{
	(void)state;
	clients_close(&server.clients);
	return 0;
}

static struct client *enter(pid_t pid, uint64_t in, uint64_t out)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	struct client *client = clients_enter(&server.clients, &addr, "192.0.2.7:51334");
	clients_started(&server.clients, client, pid);
	atomic_store(&client->score.in, in);
	atomic_store(&client->score.out, out);
	return client;
}

/* ---- a client who ends ---- */

/* A client's child ends, and what the log says of the reason. */
static const char *reason_when(enum ending said, int code, int signal, int status)
{
	struct client *client = enter(100, 120, 100);
	atomic_store(&client->score.ending, (int)said);
	atomic_store(&client->score.code, code);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_ended(&server, client, signal, status);
	unit_capture_end(&log_of);
	assert_int_equal(unit_lines(log_of.text), 1);
	assert_memory_equal(log_of.text, "end peer=192.0.2.7:51334 in=120 out=100 seconds=", 48);
	const char *reason = strstr(log_of.text, "reason=");
	assert_non_null(reason);
	return reason;
}

TEST(the_reason_is_what_the_child_said_unless_it_could_not)
{
	static const struct {
		enum ending said;
		int code, signal, status;
		const char *reason;
	} rows[] = {
		{ ENDING_EOF, 0, 0, 0, "reason=eof\n" },
		{ ENDING_RESET, -ECONNRESET, 0, 0, "reason=reset\n" },
		{ ENDING_TIMEOUT, -ETIMEDOUT, 0, 0, "reason=timeout\n" },
		{ ENDING_IDLE, 0, 0, 0, "reason=idle\n" },
		{ ENDING_DRAIN, 0, 0, 0, "reason=drain\n" },
		{ ENDING_ERROR, -ENOBUFS, 0, 0, "reason=error error=ENOBUFS\n" },

		/* killed in the middle, and killed on the way out */
		{ ENDING_NONE, 0, SIGKILL, 0, "reason=killed signal=SIGKILL\n" },
		{ ENDING_EOF, 0, SIGSEGV, 0, "reason=killed signal=SIGSEGV\n" },

		/* a child that ended and did not say why, or not by our exit */
		{ ENDING_NONE, 0, 0, 0, "reason=error error=?\n" },
		{ ENDING_EOF, 0, 0, 1, "reason=error error=?\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(
			reason_when(rows[i].said, rows[i].code, rows[i].signal, rows[i].status),
			rows[i].reason);
}

TEST(who_ended_is_counted_and_his_entry_free)
{
	reason_when(ENDING_EOF, 0, 0, 0);
	reason_when(ENDING_NONE, 0, SIGKILL, 0);
	assert_int_equal(server.totals.ended, 2);
	assert_int_equal(server.totals.killed, 1);
	assert_int_equal(server.totals.in, 240);
	assert_int_equal(server.totals.out, 200);
	assert_int_equal(server.clients.count, 0);
	assert_null(clients_find(&server.clients, 100));
}

TEST(a_quiet_server_counts_all_the_same)
{
	server.quiet = true;
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_ended(&server, enter(100, 1, 1), 0, 0);
	server_client_turned_away(&server, "192.0.2.7:51334", ENDING_SOURCE);
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "");
	assert_int_equal(server.totals.ended, 1);
	assert_int_equal(server.totals.turned_away, 1);
}

TEST(who_is_turned_away_has_his_line_with_the_reason)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_turned_away(&server, "192.0.2.7:51334", ENDING_SOURCE);
	server_client_turned_away(&server, "192.0.2.8:51334", ENDING_DRAIN);
	unit_capture_end(&log_of);
	assert_string_equal(
		log_of.text,
		"end peer=192.0.2.7:51334 in=0 out=0 seconds=0.000 reason=source-limit\n"
		"end peer=192.0.2.8:51334 in=0 out=0 seconds=0.000 reason=drain\n");
	assert_int_equal(server.totals.turned_away, 2);
}

TEST(totals_are_of_those_who_ended_and_of_those_who_are_there)
{
	server.totals = (struct totals){
		.accepted = 120, .ended = 117, .killed = 1, .turned_away = 2, .in = 1000, .out = 900
	};
	enter(100, 50, 40);
	enter(101, 7, 7);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_log_totals(&server);
	server_log_totals(&server); /* telling changes nothing */
	unit_capture_end(&log_of);
	const char *line = "totals clients=2 accepted=120 ended=117 killed=1 turned_away=2 "
			   "in=1057 out=947\n";
	assert_int_equal(log_of.size, 2 * strlen(line));
	assert_memory_equal(log_of.text, line, strlen(line));
	assert_string_equal(log_of.text + strlen(line), line);
}

/* ---- signals ---- */

/* Raises them, and lets the server hear them. Returns what it returned. */
static bool hear(const int *signals, size_t n)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	for (size_t i = 0; i < n; i++)
		raise(signals[i]);
	bool child_ended = server_hear_signals(&server);
	unit_capture_end(&log_of);
	return child_ended;
}

static void hear_signals(const void *argument)
{
	(void)argument;
	server.signals_fd = signals_setup_server();
	UNIT_CHILD_MUST(server.signals_fd >= 0);
	enter(100, 0, 0);

	UNIT_CHILD_MUST(!hear(NULL, 0));
	UNIT_CHILD_MUST(hear((int[]){ SIGCHLD }, 1));
	UNIT_CHILD_MUST(strcmp(log_of.text, "") == 0);

	UNIT_CHILD_MUST(!hear((int[]){ SIGUSR1 }, 1));
	UNIT_CHILD_MUST(strncmp(log_of.text, "totals ", 7) == 0);
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_SERVING);

	UNIT_CHILD_MUST(hear((int[]){ SIGTERM, SIGCHLD }, 2));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_DRAINING);
	UNIT_CHILD_MUST(strcmp(log_of.text,
			       "SIGTERM: no new clients; 1 may finish, for 30s at most\n") == 0);

	UNIT_CHILD_MUST(!hear((int[]){ SIGINT }, 1));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_KILLING);
	UNIT_CHILD_MUST(server.drain.ended_by == SIGINT);
	UNIT_CHILD_MUST(strcmp(log_of.text, "killing 1 clients\n") == 0);

	UNIT_CHILD_MUST(!hear((int[]){ SIGTERM }, 1)); /* nothing new to say */
	UNIT_CHILD_MUST(strcmp(log_of.text, "") == 0);
}

TEST(each_signal_does_what_it_is_for)
{
	unit_in_child(hear_signals, NULL);
}

TEST(time_alone_ends_the_drain_and_says_so)
{
	uint64_t now_ns = clock_now_ns();
	enter(100, 0, 0);
	server.drain = (struct drain){ .phase = DRAIN_DRAINING, .deadline_ns = now_ns };
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_pass_time(&server);
	unit_capture_end(&log_of);
	assert_int_equal(server.drain.phase, DRAIN_CALLING_OFF);
	assert_string_equal(log_of.text, "drain timeout: ending 1 clients\n");

	server.drain.deadline_ns = now_ns;
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_pass_time(&server);
	server_pass_time(&server);
	unit_capture_end(&log_of);
	assert_int_equal(server.drain.phase, DRAIN_KILLING);
	assert_string_equal(log_of.text, "killing 1 clients\n");
}

TEST(while_it_serves_time_means_nothing)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_pass_time(&server);
	unit_capture_end(&log_of);
	assert_int_equal(server.drain.phase, DRAIN_SERVING);
	assert_string_equal(log_of.text, "");
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, open_server, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(the_reason_is_what_the_child_said_unless_it_could_not),
		SERVER_TEST(who_ended_is_counted_and_his_entry_free),
		SERVER_TEST(a_quiet_server_counts_all_the_same),
		SERVER_TEST(who_is_turned_away_has_his_line_with_the_reason),
		SERVER_TEST(totals_are_of_those_who_ended_and_of_those_who_are_there),
		SERVER_TEST(each_signal_does_what_it_is_for),
		SERVER_TEST(time_alone_ends_the_drain_and_says_so),
		SERVER_TEST(while_it_serves_time_means_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
