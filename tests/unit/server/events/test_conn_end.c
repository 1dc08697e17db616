/* SPDX-License-Identifier: MIT */
/*
 * How a connection in an event loop ends, and when it is checked without an event. The clock is
 * simulated, the sockets are the kernel's.
 */
#include "server/events/conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/io.h"
#include "server/control.h"
#include "server/linger.h"
#include "test_clock.h"
#include "unit.h"

#define MOST    8
#define IDLE_NS (10 * CLOCK_NS_PER_S)

/* Idle timeout of a server without one. */
#define NO_LIMIT 0

/* ---- a table of connections ---- */

static struct server_config config;
static struct control control;
static struct server server;
static struct conn_set conns;
static int theirs[MOST], n_theirs;

static void open_conns(uint64_t idle_ns)
{
	now_ns = 1000 * CLOCK_NS_PER_S;
	n_theirs = 0;
	config = (struct server_config){ .idle_timeout_ns = idle_ns, .quiet = true };
	control = (struct control){ .signals_fd = -1 };
	server = (struct server){ .config = &config, .control = &control };
	assert_int_equal(client_table_open(&server.clients, MOST, sizeof(struct conn)), 0);
	assert_int_equal(conn_set_open(&conns, &server, CLIENT_BUFFER_SIZE), 0);
	conn_update_now(&conns, false);
}

static int close_conns(void **state)
{
	(void)state;
	for (struct conn *at = conn_next(&conns, NULL); at != NULL; at = conn_next(&conns, at))
		io_close(&at->client.fd);
	for (int i = 0; i < n_theirs; i++)
		io_close(&theirs[i]);
	conn_set_close(&conns);
	client_table_close(&server.clients);
	now_ns = 0;
	return 0;
}

/* Adds a client; its end of the connection is theirs[n_theirs - 1]. */
static struct conn *come(void)
{
	struct sockaddr_in address;
	int listening = unit_listen(1, &address);
	theirs[n_theirs++] = unit_connect(&address);
	struct addr addr = { .v4 = address };
	struct peer peer = peer_of(-1, &addr);
	struct conn *conn = (struct conn *)client_table_add(&server.clients, &peer, 0);
	assert_non_null(conn);
	conn->client.fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(conn->client.fd >= 0);
	close(listening);
	return conn;
}

/* Sends more than the client's kernel can hold. */
static void overfill(const struct conn *conn)
{
	static const unsigned char bytes[64 * 1024];
	while (send(conn->client.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_true(io_unacknowledged(conn->client.fd) > 0);
}

/* Reads at the client's end until all bytes are acknowledged. */
static void read_all(const struct conn *conn, int fd)
{
	char bytes[64 * 1024];
	UNIT_WAIT_UNTIL(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0 &&
			/* only our FIN may be unacknowledged */
			io_unacknowledged(conn->client.fd) <= 1);
}

static void pass(uint64_t ns)
{
	now_ns += ns;
	conn_update_now(&conns, false);
}

static void assert_none_due(void)
{
	enum conn_queue queue;
	assert_null(conn_next_expired(&conns, &queue));
}

/* This connection is due, from this queue, and no other is. */
static void assert_due(const struct conn *conn, enum conn_queue expected)
{
	enum conn_queue queue = CONN_QUEUES;
	assert_ptr_equal(conn_next_expired(&conns, &queue), conn);
	assert_int_equal(queue, expected);
	assert_none_due();
}

/* This connection is due after exactly this time. */
static void assert_due_in(uint64_t ns, const struct conn *conn, enum conn_queue expected)
{
	assert_int_equal(conn_deadline_ns(&conns), now_ns + ns);
	pass(ns - CLOCK_NS_PER_MS);
	assert_none_due();
	pass(CLOCK_NS_PER_MS);
	assert_int_equal(conn_deadline_ns(&conns), now_ns);
	assert_due(conn, expected);
	assert_int_equal(conn_deadline_ns(&conns), CLOCK_NEVER);
}

static enum close_reason ending_of(struct conn *conn)
{
	return (enum close_reason)atomic_load(&conn->client.stats.reason);
}

/* ---- idle ---- */

TEST(without_clients_nothing_is_due)
{
	open_conns(IDLE_NS);
	assert_int_equal(conn_deadline_ns(&conns), CLOCK_NEVER);
	pass(1000 * IDLE_NS);
	assert_none_due();
}

TEST(a_client_whose_bytes_do_not_move_is_due_after_the_idle_timeout)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
	assert_true(conn_check_idle(&conns, conn));
}

TEST(every_byte_that_moves_puts_it_off)
{
	open_conns(IDLE_NS);
	struct conn *first = come(), *second = come();
	conn_restart_idle(&conns, first);
	pass(CLOCK_NS_PER_S);
	conn_restart_idle(&conns, second);
	pass(IDLE_NS - 2 * CLOCK_NS_PER_S);
	conn_restart_idle(&conns, first);
	pass(CLOCK_NS_PER_S);
	assert_none_due();
	pass(CLOCK_NS_PER_S);
	assert_due(second, CONN_IDLE);
	assert_due_in(IDLE_NS - 2 * CLOCK_NS_PER_S, first, CONN_IDLE);
}

TEST(without_an_idle_timeout_no_client_is_idle)
{
	open_conns(NO_LIMIT);
	conn_restart_idle(&conns, come());
	assert_int_equal(conn_deadline_ns(&conns), CLOCK_NEVER);
	pass(1000000 * IDLE_NS);
	assert_none_due();
}

TEST(a_timeout_of_a_hundred_years_is_kept)
{
	uint64_t century_ns = UINT64_C(876000) * 3600 * CLOCK_NS_PER_S;
	open_conns(century_ns);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	pass(century_ns - century_ns / 1000);
	assert_none_due();
	pass(century_ns / 500);
	assert_due(conn, CONN_IDLE);
}

TEST(a_client_to_which_the_kernel_still_moves_bytes_is_not_idle)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	overfill(conn);
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
	assert_false(conn_check_idle(&conns, conn)); /* the last check found no bytes */
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
	read_all(conn, theirs[0]);
	assert_false(conn_check_idle(&conns, conn));
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
	assert_true(conn_check_idle(&conns, conn));
}

TEST(a_client_that_takes_nothing_for_the_idle_timeout_is_idle)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	overfill(conn);
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
	assert_false(conn_check_idle(&conns, conn));
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
	assert_true(conn_check_idle(&conns, conn));
}

TEST(a_client_with_unread_bytes_is_not_idle)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	unit_write(theirs[0], "x", 1);
	pass(100 * IDLE_NS); /* the process was stopped */
	assert_due(conn, CONN_IDLE);
	assert_false(conn_check_idle(&conns, conn));
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
}

TEST(a_client_with_an_unread_fin_is_not_idle)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	shutdown(theirs[0], SHUT_WR);
	pass(100 * IDLE_NS);
	assert_due(conn, CONN_IDLE);
	assert_false(conn_check_idle(&conns, conn));
}

TEST(one_that_moves_late_in_a_turn_is_idle_as_long_after_that)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	now_ns += 100 * IDLE_NS; /* the process was stopped after conn_update_now() */
	conn_restart_idle(&conns, conn);
	pass(0);
	assert_due_in(IDLE_NS, conn, CONN_IDLE);
}

TEST(after_an_event_it_polls_for_the_busy_poll_time)
{
	open_conns(IDLE_NS);
	config.busy_poll_ns = CLOCK_NS_PER_S;
	conn_restart_idle(&conns, come());
	assert_int_equal(conn_deadline_ns(&conns), now_ns + IDLE_NS);
	conn_update_now(&conns, true);
	pass(CLOCK_NS_PER_S - 1);
	assert_int_equal(conn_deadline_ns(&conns), 0);
	pass(1);
	assert_int_equal(conn_deadline_ns(&conns), now_ns + IDLE_NS - CLOCK_NS_PER_S);
}

/* ---- ended by us ---- */

TEST(an_ended_client_gets_our_fin_and_then_the_linger_timeout)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	conn_stop(&conns, conn, CLOSE_IDLE);
	assert_int_equal(ending_of(conn), CLOSE_IDLE);
	assert_int_equal(echo_wants(&conn->echo), ECHO_FINISH);
	conn_finish(&conns, conn);
	assert_int_equal(echo_wants(&conn->echo), ECHO_DISCARD);
	unit_read_end(theirs[0]);
	/* further bytes from the client do not extend the deadline */
	conn_restart_idle(&conns, conn);
	assert_due_in(LINGER_IDLE_NS, conn, CONN_LINGER);
}

TEST(while_the_server_aborts_the_linger_timeout_is_short)
{
	open_conns(IDLE_NS);
	conns.is_aborting = true;
	struct conn *conn = come();
	conn_stop(&conns, conn, CLOSE_DRAIN);
	assert_due_in(LINGER_ABORTING_NS, conn, CONN_LINGER_ABORTING);
	assert_int_equal(ending_of(conn), CLOSE_DRAIN);
}

TEST(an_aborted_client_that_lingers_already_has_less_time)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_stop(&conns, conn, CLOSE_IDLE);
	conn_finish(&conns, conn);
	pass(CLOCK_NS_PER_S);
	conn_shorten_linger(&conns, conn);
	assert_due_in(LINGER_ABORTING_NS, conn, CONN_LINGER_ABORTING);
	assert_int_equal(ending_of(conn), CLOSE_IDLE);
}

TEST(the_first_reason_stays)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_set_reason(conn, CLOSE_IDLE, 0);
	conn_set_reason(conn, CLOSE_DRAIN, 0);
	conn_fail(conn, -ECONNRESET);
	assert_int_equal(ending_of(conn), CLOSE_IDLE);
	assert_int_equal(atomic_load(&conn->client.stats.code), 0);
	assert_int_equal(echo_wants(&conn->echo), ECHO_CLOSE);
}

TEST(a_broken_connection_is_closed_with_its_reason)
{
	static const struct {
		int code;
		enum close_reason reason;
	} rows[] = { { -ECONNRESET, CLOSE_RESET },
		     { -ETIMEDOUT, CLOSE_TIMEOUT },
		     { -ENOMEM, CLOSE_ERROR } };
	open_conns(IDLE_NS);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conn *conn = come();
		conn_fail(conn, rows[i].code);
		assert_int_equal(echo_wants(&conn->echo), ECHO_CLOSE);
		assert_int_equal(ending_of(conn), rows[i].reason);
		assert_int_equal(atomic_load(&conn->client.stats.code), rows[i].code);
	}
}

/* ---- ended by the client ---- */

TEST(a_client_that_has_all_bytes_is_closed_at_once)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	echo_ended(&conn->echo);
	conn_finish(&conns, conn);
	assert_int_equal(echo_wants(&conn->echo), ECHO_CLOSE);
	io_close(&conn->client.fd);
	unit_read_end(theirs[0]);
}

/*
 * The client has half-closed and has not acknowledged all bytes: our FIN is sent, and the
 * connection stays open.
 */
static struct conn *leave_with_bytes_on_their_way(void)
{
	struct conn *conn = come();
	overfill(conn);
	echo_ended(&conn->echo);
	conn_finish(&conns, conn);
	assert_int_equal(echo_wants(&conn->echo), ECHO_FINISH);
	return conn;
}

TEST(a_client_with_bytes_in_flight_is_closed_when_they_have_arrived)
{
	enum conn_queue queue;
	open_conns(NO_LIMIT);
	struct conn *conn = leave_with_bytes_on_their_way();
	for (int i = 0; i < 100;
	     i++) { /* polls soon at first, then at longer intervals, without a limit */
		uint64_t deadline_ns = conn_deadline_ns(&conns);
		assert_true(deadline_ns > now_ns && deadline_ns <= now_ns + CLOCK_NS_PER_S);
		pass(deadline_ns - now_ns);
		assert_ptr_equal(conn_next_expired(&conns, &queue), conn);
		assert_true(queue == CONN_ACKS_SOON || queue == CONN_ACKS_LATER);
		assert_true(i > 0 || queue == CONN_ACKS_SOON);
		conn_poll_acks(&conns, conn);
		assert_int_equal(echo_wants(&conn->echo), ECHO_FINISH);
	}
	assert_int_equal(queue, CONN_ACKS_LATER);
	read_all(conn, theirs[0]);
	conn_poll_acks(&conns, conn);
	assert_int_equal(echo_wants(&conn->echo), ECHO_CLOSE);
	assert_int_equal(ending_of(conn), CLOSE_NONE); /* the caller that closes reports eof */
}

TEST(a_client_that_fails_while_its_last_bytes_are_in_flight_has_that_reason)
{
	open_conns(NO_LIMIT);
	struct conn *conn = leave_with_bytes_on_their_way();
	unit_reset(theirs[0]);
	theirs[0] = -1;
	struct pollfd broken = { .fd = conn->client.fd };
	assert_int_equal(poll(&broken, 1, UNIT_TIMEOUT_S * 1000), 1);
	conn_poll_acks(&conns, conn);
	assert_int_equal(echo_wants(&conn->echo), ECHO_CLOSE);
	assert_int_equal(ending_of(conn), CLOSE_RESET);
}

/* Polls the connection whenever it is due, for this time. */
static void look_for(struct conn *conn, uint64_t ns)
{
	uint64_t end_ns = now_ns + ns;
	enum conn_queue queue;
	while (conn_deadline_ns(&conns) <= end_ns && echo_wants(&conn->echo) == ECHO_FINISH &&
	       !conn->echo.stopped) {
		pass(conn_deadline_ns(&conns) - now_ns);
		assert_ptr_equal(conn_next_expired(&conns, &queue), conn);
		conn_poll_acks(&conns, conn);
	}
}

TEST(a_client_that_takes_none_of_its_last_bytes_for_the_idle_timeout_is_idle)
{
	open_conns(IDLE_NS);
	struct conn *conn = leave_with_bytes_on_their_way();
	look_for(conn, IDLE_NS - CLOCK_NS_PER_S);
	assert_int_equal(ending_of(conn), CLOSE_NONE);
	look_for(conn, 2 * CLOCK_NS_PER_S);
	assert_int_equal(ending_of(conn), CLOSE_IDLE);
	conn_finish(&conns, conn);
	assert_int_equal(echo_wants(&conn->echo), ECHO_DISCARD);
	assert_due_in(LINGER_IDLE_NS, conn, CONN_LINGER);
}

TEST(a_client_that_takes_some_of_its_last_bytes_now_and_then_is_not_idle)
{
	open_conns(IDLE_NS);
	struct conn *conn = leave_with_bytes_on_their_way();
	for (int i = 0; i < 3; i++) {
		look_for(conn, IDLE_NS - CLOCK_NS_PER_S);
		size_t before = io_unacknowledged(conn->client.fd);
		char bytes[64 * 1024];
		UNIT_WAIT_UNTIL(recv(theirs[0], bytes, sizeof(bytes), MSG_DONTWAIT) != 0 &&
				io_unacknowledged(conn->client.fd) < before);
	}
	look_for(conn, CLOCK_NS_PER_S);
	assert_int_equal(ending_of(conn), CLOSE_NONE);
}

TEST(a_client_that_does_not_take_its_last_bytes_is_closed_when_the_server_ends)
{
	open_conns(NO_LIMIT);
	struct conn *conn = leave_with_bytes_on_their_way();
	conns.is_aborting = true;
	look_for(conn, LINGER_ABORTING_NS - CLOCK_NS_PER_MS);
	assert_int_equal(ending_of(conn), CLOSE_NONE);
	look_for(conn, LINGER_ABORTING_NS / 2);
	assert_int_equal(ending_of(conn), CLOSE_DRAIN);
	assert_int_equal(echo_wants(&conn->echo), ECHO_CLOSE);
}

/* ---- counted out ---- */

TEST(a_client_that_leaves_is_counted_and_waits_for_nothing)
{
	open_conns(IDLE_NS);
	struct conn *conn = come(), *other = come();
	conn_restart_idle(&conns, conn);
	pass(CLOCK_NS_PER_S);
	conn_restart_idle(&conns, other);
	echo_got(&conn->echo, 7);
	echo_sent(&conn->echo, 5);
	conn_publish_stats(conn);
	conn_fail(conn, -ECONNRESET);
	io_close(&conn->client.fd);
	conn_count_out(&conns, conn);
	assert_int_equal(control.totals.ended, 1);
	assert_int_equal(control.totals.in, 7);
	assert_int_equal(control.totals.out, 5);
	assert_int_equal(server.clients.count, 1);
	assert_due_in(IDLE_NS, other, CONN_IDLE);
}

TEST(a_client_that_waits_no_more_is_still_in_the_table)
{
	open_conns(IDLE_NS);
	struct conn *conn = come();
	conn_restart_idle(&conns, conn);
	conn_stop_timer(&conns, conn);
	conn_stop_timer(&conns, conn);
	assert_int_equal(conn_deadline_ns(&conns), CLOCK_NEVER);
	assert_ptr_equal(conn_next(&conns, NULL), conn);
}

TEST(a_walk_meets_each_client_once_though_the_current_one_leaves)
{
	open_conns(IDLE_NS);
	for (int i = 0; i < MOST; i++)
		come();
	int n = 0;
	for (struct conn *at = conn_next(&conns, NULL); at != NULL; n++) {
		struct conn *left = n % 2 ? at : NULL;
		if (left != NULL) {
			io_close(&left->client.fd);
			conn_count_out(&conns, left);
		}
		at = conn_next(&conns, at);
	}
	assert_int_equal(n, MOST);
	assert_int_equal(server.clients.count, MOST / 2);
}

#define CONN_TEST(name) cmocka_unit_test_teardown(name, close_conns)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(without_clients_nothing_is_due),
		CONN_TEST(a_client_whose_bytes_do_not_move_is_due_after_the_idle_timeout),
		CONN_TEST(every_byte_that_moves_puts_it_off),
		CONN_TEST(without_an_idle_timeout_no_client_is_idle),
		CONN_TEST(a_timeout_of_a_hundred_years_is_kept),
		CONN_TEST(a_client_to_which_the_kernel_still_moves_bytes_is_not_idle),
		CONN_TEST(a_client_that_takes_nothing_for_the_idle_timeout_is_idle),
		CONN_TEST(a_client_with_unread_bytes_is_not_idle),
		CONN_TEST(after_an_event_it_polls_for_the_busy_poll_time),
		CONN_TEST(a_client_with_an_unread_fin_is_not_idle),
		CONN_TEST(one_that_moves_late_in_a_turn_is_idle_as_long_after_that),
		CONN_TEST(an_ended_client_gets_our_fin_and_then_the_linger_timeout),
		CONN_TEST(while_the_server_aborts_the_linger_timeout_is_short),
		CONN_TEST(an_aborted_client_that_lingers_already_has_less_time),
		CONN_TEST(the_first_reason_stays),
		CONN_TEST(a_broken_connection_is_closed_with_its_reason),
		CONN_TEST(a_client_that_has_all_bytes_is_closed_at_once),
		CONN_TEST(a_client_with_bytes_in_flight_is_closed_when_they_have_arrived),
		CONN_TEST(a_client_that_fails_while_its_last_bytes_are_in_flight_has_that_reason),
		CONN_TEST(a_client_that_takes_none_of_its_last_bytes_for_the_idle_timeout_is_idle),
		CONN_TEST(a_client_that_takes_some_of_its_last_bytes_now_and_then_is_not_idle),
		CONN_TEST(
			a_client_that_does_not_take_its_last_bytes_is_closed_when_the_server_ends),
		CONN_TEST(a_client_that_leaves_is_counted_and_waits_for_nothing),
		CONN_TEST(a_client_that_waits_no_more_is_still_in_the_table),
		CONN_TEST(a_walk_meets_each_client_once_though_the_current_one_leaves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
