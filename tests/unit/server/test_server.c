/* SPDX-License-Identifier: MIT */
/* What the server reads from signals, counts and logs, whatever its engine. */
#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/shm.h"
#include "net/signals.h"
#include "net/wakeup.h"
#include "server/shutdown_pipe.h"
#include "server/workers/event_ring.h"
#include "unit.h"

static struct server server;
static struct unit_capture log_of;

static int open_server(void **state)
{
	(void)state;
	server = (struct server){ .signals_fd = -1, .drain_timeout_ns = 30 * CLOCK_NS_PER_S };
	return client_table_open(&server.clients, 8, sizeof(struct client));
}

static int close_server(void **state)
{
	(void)state;
	client_table_close(&server.clients);
	return 0;
}

/* 192.0.2.N:51334 */
static struct peer peer_number(unsigned int n)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 + n);
	return peer_of(-1, &addr);
}

static struct client *enter(pid_t pid, uint64_t in, uint64_t out)
{
	struct peer peer = peer_number(7);
	struct client *client = client_table_add(&server.clients, &peer, 0);
	assert_non_null(client);
	if (pid != 0)
		client_table_started(&server.clients, client, pid);
	atomic_store(&client->stats.in, in);
	atomic_store(&client->stats.out, out);
	return client;
}

/* ---- a client that ends ---- */

/* Ends a client's child, and returns the logged reason. */
static const char *reason_when(enum close_reason said, int code, int signal, int status)
{
	struct client *client = enter(100, 120, 100);
	atomic_store(&client->stats.reason, (int)said);
	atomic_store(&client->stats.code, code);
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
		enum close_reason said;
		int code, signal, status;
		const char *reason;
	} rows[] = {
		{ CLOSE_EOF, 0, 0, 0, "reason=eof\n" },
		{ CLOSE_RESET, -ECONNRESET, 0, 0, "reason=reset\n" },
		{ CLOSE_TIMEOUT, -ETIMEDOUT, 0, 0, "reason=timeout\n" },
		{ CLOSE_IDLE, 0, 0, 0, "reason=idle\n" },
		{ CLOSE_DRAIN, 0, 0, 0, "reason=drain\n" },
		{ CLOSE_ERROR, -ENOBUFS, 0, 0, "reason=error error=ENOBUFS\n" },

		/* killed during the conversation, and killed at the exit */
		{ CLOSE_NONE, 0, SIGKILL, 0, "reason=killed signal=SIGKILL\n" },
		{ CLOSE_EOF, 0, SIGSEGV, 0, "reason=killed signal=SIGSEGV\n" },

		/* a child that ended without a reason, or with another exit status */
		{ CLOSE_NONE, 0, 0, 0, "reason=error error=?\n" },
		{ CLOSE_EOF, 0, 0, 1, "reason=error error=?\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(
			reason_when(rows[i].said, rows[i].code, rows[i].signal, rows[i].status),
			rows[i].reason);
}

TEST(who_ended_is_counted_and_his_entry_free)
{
	reason_when(CLOSE_EOF, 0, 0, 0);
	reason_when(CLOSE_NONE, 0, SIGKILL, 0);
	assert_int_equal(server.totals.ended, 2);
	assert_int_equal(server.totals.killed, 1);
	assert_int_equal(server.totals.in, 240);
	assert_int_equal(server.totals.out, 200);
	assert_int_equal(server.clients.count, 0);
	assert_null(client_table_find(&server.clients, 100));
}

TEST(a_quiet_server_counts_all_the_same)
{
	server.quiet = true;
	struct peer peer = peer_number(7);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_ended(&server, enter(100, 1, 1), 0, 0);
	server_client_turned_away(&server, &peer, CLOSE_SOURCE, 0, 0);
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "");
	assert_int_equal(server.totals.ended, 1);
	assert_int_equal(server.totals.turned_away, 1);
}

TEST(a_client_that_leaves_while_it_waits_has_ended_and_has_its_line)
{
	struct peer one = peer_number(7), other = peer_number(8);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_left(&server, &one, clock_now_ns(), 0);
	server_client_left(&server, &other, clock_now_ns() - 2 * CLOCK_NS_PER_S, -ECONNRESET);
	unit_capture_end(&log_of);
	assert_int_equal(unit_lines(log_of.text), 2);
	assert_non_null(strstr(log_of.text, "end peer=192.0.2.7:51334 in=0 out=0 seconds=0.0"));
	assert_non_null(strstr(log_of.text, " reason=eof\n"));
	assert_non_null(strstr(log_of.text, "end peer=192.0.2.8:51334 in=0 out=0 seconds=2."));
	assert_non_null(strstr(log_of.text, " reason=reset\n"));
	assert_int_equal(server.totals.ended, 2);
	assert_int_equal(server.totals.turned_away, 0);
}

TEST(who_is_turned_away_has_his_line_with_the_reason)
{
	struct peer one = peer_number(7), other = peer_number(8);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_turned_away(&server, &one, CLOSE_SOURCE, 0, 0);
	server_client_turned_away(&server, &other, CLOSE_DRAIN, 0, 0);
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
	server_log_totals(&server); /* logging does not change them */
	unit_capture_end(&log_of);
	const char *line = "totals clients=2 accepted=120 ended=117 killed=1 turned_away=2 "
			   "in=1057 out=947\n";
	assert_int_equal(log_of.size, 2 * strlen(line));
	assert_memory_equal(log_of.text, line, strlen(line));
	assert_string_equal(log_of.text + strlen(line), line);
}

/* ---- signals ---- */

/* Raises the signals, and lets the server read them. Returns the result; reading logs nothing. */
static struct server_asked hear(const int *signals, size_t n)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	for (size_t i = 0; i < n; i++)
		raise(signals[i]);
	struct server_asked asked = server_read_signals(&server);
	unit_capture_end(&log_of);
	UNIT_CHILD_MUST(strcmp(log_of.text, "") == 0);
	return asked;
}

static bool is_asked(struct server_asked asked, bool child_ended, bool totals, bool new_phase)
{
	return asked.child_ended == child_ended && asked.totals == totals &&
	       asked.new_phase == new_phase;
}

/* Returns the log line of the phase. */
static const char *phase_said(uint32_t n_clients)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_log_phase(&server, n_clients);
	unit_capture_end(&log_of);
	return log_of.text;
}

static void read_signals(const void *argument)
{
	(void)argument;
	server.signals_fd = signals_setup_server();
	UNIT_CHILD_MUST(server.signals_fd >= 0);
	enter(100, 0, 0);

	UNIT_CHILD_MUST(is_asked(hear(NULL, 0), false, false, false));
	UNIT_CHILD_MUST(is_asked(hear((int[]){ SIGCHLD }, 1), true, false, false));
	UNIT_CHILD_MUST(is_asked(hear((int[]){ SIGUSR1 }, 1), false, true, false));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_SERVING);

	/* Signals that came with the one that began a phase are read in the next turn. */
	struct server_asked first = hear((int[]){ SIGTERM, SIGCHLD }, 2);
	struct server_asked second = hear(NULL, 0);
	UNIT_CHILD_MUST(first.new_phase && first.child_ended != second.child_ended);
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_DRAINING);
	UNIT_CHILD_MUST(strcmp(phase_said(1),
			       "SIGTERM: no new clients; 1 may finish, for 30s at most\n") == 0);

	/* Signals of the same request. The time is in the future: this test may take any time. */
	server.drain.asked_ns = clock_deadline_ns(3600 * CLOCK_NS_PER_S);
	UNIT_CHILD_MUST(is_asked(hear((int[]){ SIGTERM, SIGINT }, 2), false, false, false));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_DRAINING && server.drain.ended_by == 0);

	server.drain.asked_ns = clock_now_ns() - SIGNALS_SAME_REQUEST_NS;
	UNIT_CHILD_MUST(is_asked(hear(NULL, 0), false, false, false));
	UNIT_CHILD_MUST(is_asked(hear((int[]){ SIGINT }, 1), false, false, true));
	UNIT_CHILD_MUST(server.drain.phase == DRAIN_KILLING);
	UNIT_CHILD_MUST(server.drain.ended_by == SIGINT);
	UNIT_CHILD_MUST(strcmp(phase_said(1), "killing 1 client\n") == 0);

	UNIT_CHILD_MUST(is_asked(hear((int[]){ SIGTERM }, 1), false, false, false));
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
		.looked_ns = now_ns,
	};
	assert_true(server_pass_time(&server));
	assert_int_equal(server.drain.phase, DRAIN_ABORTING);
	assert_string_equal(phase_said(1), "drain timeout: ending 1 client\n");

	server.drain.deadline_ns = now_ns;
	assert_true(server_pass_time(&server));
	assert_false(server_pass_time(&server));
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
		server.drain = (struct drain){ .phase = rows[i].phase, .asked_by = SIGINT };
		assert_string_equal(phase_said(rows[i].n_clients), rows[i].said);
	}
}

TEST(while_it_serves_time_means_nothing)
{
	assert_false(server_pass_time(&server));
	assert_int_equal(server.drain.phase, DRAIN_SERVING);
	assert_string_equal(phase_said(1), "");
}

/* ---- a worker's view ---- */

#define N_PLACES 4

/* Memory shared by a worker and its supervisor; here both are this process, or one is its child. */
struct above {
	struct wakeup_sleep sleep;
	struct wakeup wakeup;
	_Atomic uint64_t accepted;
	struct event_ring event_ring;
	struct shutdown_pipe shutdown_pipe;
	struct supervisor_link link;
};

static void open_above(struct above *above)
{
	void *memory;
	*above = (struct above){ .wakeup = { .fd = -1 } };
	assert_int_equal(shm_map_shared(event_ring_size(N_PLACES), &memory), 0);
	above->event_ring = (struct event_ring){ memory, N_PLACES };
	assert_int_equal(wakeup_open(&above->wakeup, &above->sleep), 0);
	assert_int_equal(shutdown_pipe_open(&above->shutdown_pipe), 0);
	above->link = (struct supervisor_link){
		.accepted = &above->accepted,
		.event_ring = &above->event_ring,
		.wakeup = &above->wakeup,
		.presence_fd = above->shutdown_pipe.child_fd,
	};
	server.link = &above->link;
}

static void close_above(struct above *above)
{
	shm_unmap(above->event_ring.ring, event_ring_size(N_PLACES));
	wakeup_close(&above->wakeup);
	shutdown_pipe_close(&above->shutdown_pipe);
}

/* Ends a client of the worker. */
static void end_one(uint64_t in)
{
	struct client *client = enter(0, in, in);
	atomic_store(&client->stats.reason, (int)CLOSE_EOF);
	server_client_ended(&server, client, 0, 0);
}

TEST(a_worker_tells_its_supervisor_and_counts_and_logs_nothing_itself)
{
	struct above above;
	struct peer peer = peer_number(8);
	struct conn_record facts;
	open_above(&above);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_accepted(&server);
	server_client_accepted(&server);
	end_one(7);
	server_client_turned_away(&server, &peer, CLOSE_SOURCE, 0, 0);
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "");
	static const struct totals none;
	assert_memory_equal(&server.totals, &none, sizeof(none));
	assert_int_equal(server.clients.count, 0);
	assert_int_equal(atomic_load(&above.accepted), 2);

	assert_true(event_ring_next(&above.event_ring, &facts));
	assert_int_equal(facts.serial, 1);
	assert_int_equal(facts.in, 7);
	assert_int_equal(facts.reason, CLOSE_EOF);
	assert_string_equal(peer_name(&facts.peer).text, "192.0.2.7:51334");
	assert_true(event_ring_next(&above.event_ring, &facts));
	assert_int_equal(facts.serial, 0); /* it was never served */
	assert_int_equal(facts.reason, CLOSE_SOURCE);
	assert_string_equal(peer_name(&facts.peer).text, "192.0.2.8:51334");
	assert_false(event_ring_next(&above.event_ring, &facts));
	close_above(&above);
}

TEST(what_a_worker_told_counts_as_if_it_had_been_here)
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
		server.totals = (struct totals){ 0 };
		server.drain.phase = rows[i].phase;
		unit_capture_begin(&log_of, STDERR_FILENO);
		server_count(&server, &(struct conn_record){
					      .peer = peer,
					      .in = 3,
					      .out = 2,
					      .reason = rows[i].reason,
					      .signal = rows[i].signal,
					      .serial = rows[i].serial,
					      .was_turned_away = rows[i].serial == 0,
				      });
		unit_capture_end(&log_of);
		assert_memory_equal(&server.totals, &rows[i].totals, sizeof(server.totals));
		assert_int_equal(unit_lines(log_of.text), 1);
	}
}

TEST(a_worker_waits_where_its_supervisor_is_behind_and_nothing_is_lost)
{
	enum { N = 1000 * N_PLACES };
	struct above above;
	struct conn_record facts = { 0 };
	open_above(&above);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(UNIT_TIMEOUT_S);
		for (uint64_t i = 1; i <= N; i++)
			end_one(i);
		_exit(0);
	}
	for (uint64_t i = 1; i <= N; i++) {
		UNIT_WAIT_UNTIL(event_ring_next(&above.event_ring, &facts));
		assert_int_equal(facts.in, i);
		assert_int_equal(facts.serial, i);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close_above(&above);
}

static void end_many_without_supervisor(const void *argument)
{
	struct above above;
	(void)argument;
	open_above(&above);
	shutdown_pipe_signal(&above.shutdown_pipe);
	alarm(UNIT_TIMEOUT_S);
	for (uint64_t i = 0; i < 3 * N_PLACES; i++)
		end_one(i);
	UNIT_CHILD_MUST(server.clients.count == 0);
}

TEST(a_worker_without_a_supervisor_waits_for_nobody)
{
	unit_in_child(end_many_without_supervisor, NULL);
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, open_server, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(the_reason_is_what_the_child_said_unless_it_could_not),
		SERVER_TEST(who_ended_is_counted_and_his_entry_free),
		SERVER_TEST(a_quiet_server_counts_all_the_same),
		SERVER_TEST(a_client_that_leaves_while_it_waits_has_ended_and_has_its_line),
		SERVER_TEST(who_is_turned_away_has_his_line_with_the_reason),
		SERVER_TEST(totals_are_of_those_who_ended_and_of_those_who_are_there),
		SERVER_TEST(each_signal_does_what_it_is_for),
		SERVER_TEST(time_alone_ends_the_drain_and_says_so),
		SERVER_TEST(phases_without_clients_and_with_several_read_right),
		SERVER_TEST(while_it_serves_time_means_nothing),
		SERVER_TEST(a_worker_tells_its_supervisor_and_counts_and_logs_nothing_itself),
		SERVER_TEST(what_a_worker_told_counts_as_if_it_had_been_here),
		SERVER_TEST(a_worker_waits_where_its_supervisor_is_behind_and_nothing_is_lost),
		SERVER_TEST(a_worker_without_a_supervisor_waits_for_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
