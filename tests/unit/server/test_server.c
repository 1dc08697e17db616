/* SPDX-License-Identifier: MIT */
/* A client that ends is counted and logged once, here or in the supervisor. */
#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/shm.h"
#include "net/wakeup.h"
#include "server/control.h"
#include "server/shutdown_pipe.h"
#include "server/workers/event_ring.h"
#include "one_server.h"
#include "unit.h"

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

TEST(the_reason_is_what_the_child_stored_if_it_could)
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

TEST(an_ended_client_is_counted_and_its_entry_is_free)
{
	reason_when(CLOSE_EOF, 0, 0, 0);
	reason_when(CLOSE_NONE, 0, SIGKILL, 0);
	assert_int_equal(control.totals.ended, 2);
	assert_int_equal(control.totals.killed, 1);
	assert_int_equal(control.totals.in, 240);
	assert_int_equal(control.totals.out, 200);
	assert_int_equal(server.clients.count, 0);
	assert_null(client_table_find(&server.clients, 100));
}

TEST(a_quiet_server_counts_all_the_same)
{
	config.quiet = true;
	struct peer peer = peer_number(7);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_ended(&server, enter(100, 1, 1), 0, 0);
	server_client_turned_away(&server, &peer, CLOSE_SOURCE, 0, 0);
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "");
	assert_int_equal(control.totals.ended, 1);
	assert_int_equal(control.totals.turned_away, 1);
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
	assert_int_equal(control.totals.ended, 2);
	assert_int_equal(control.totals.turned_away, 0);
}

TEST(a_client_turned_away_has_its_line_with_the_reason)
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
	assert_int_equal(control.totals.turned_away, 2);
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

TEST(a_worker_reports_to_its_supervisor_and_counts_and_logs_nothing_itself)
{
	struct above above;
	struct peer peer = peer_number(8);
	struct conn_record record;
	open_above(&above);
	unit_capture_begin(&log_of, STDERR_FILENO);
	server_client_accepted(&server);
	server_client_accepted(&server);
	end_one(7);
	server_client_turned_away(&server, &peer, CLOSE_SOURCE, 0, 0);
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "");
	static const struct totals none;
	assert_memory_equal(&control.totals, &none, sizeof(none));
	assert_int_equal(server.clients.count, 0);
	assert_int_equal(atomic_load(&above.accepted), 2);

	assert_true(event_ring_next(&above.event_ring, &record));
	assert_int_equal(record.serial, 1);
	assert_int_equal(record.in, 7);
	assert_int_equal(record.reason, CLOSE_EOF);
	assert_string_equal(peer_name(&record.peer).text, "192.0.2.7:51334");
	assert_true(event_ring_next(&above.event_ring, &record));
	assert_int_equal(record.serial, 0); /* it was never served */
	assert_int_equal(record.reason, CLOSE_SOURCE);
	assert_string_equal(peer_name(&record.peer).text, "192.0.2.8:51334");
	assert_false(event_ring_next(&above.event_ring, &record));
	close_above(&above);
}

TEST(a_worker_waits_where_its_supervisor_is_behind_and_nothing_is_lost)
{
	enum { N = 1000 * N_PLACES };
	struct above above;
	struct conn_record record = { 0 };
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
		UNIT_WAIT_UNTIL(event_ring_next(&above.event_ring, &record));
		assert_int_equal(record.in, i);
		assert_int_equal(record.serial, i);
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

TEST(a_worker_without_a_supervisor_does_not_wait)
{
	unit_in_child(end_many_without_supervisor, NULL);
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, open_server, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(the_reason_is_what_the_child_stored_if_it_could),
		SERVER_TEST(an_ended_client_is_counted_and_its_entry_is_free),
		SERVER_TEST(a_quiet_server_counts_all_the_same),
		SERVER_TEST(a_client_that_leaves_while_it_waits_has_ended_and_has_its_line),
		SERVER_TEST(a_client_turned_away_has_its_line_with_the_reason),
		SERVER_TEST(a_worker_reports_to_its_supervisor_and_counts_and_logs_nothing_itself),
		SERVER_TEST(a_worker_waits_where_its_supervisor_is_behind_and_nothing_is_lost),
		SERVER_TEST(a_worker_without_a_supervisor_does_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
