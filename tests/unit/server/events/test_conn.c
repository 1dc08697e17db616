/* SPDX-License-Identifier: MIT */
/*
 * The readiness driver, one step at a time. Every byte comes back in order. Unsent bytes are kept,
 * and meanwhile nothing is received. Bytes that the ring received for the connection follow in
 * order.
 */
#include "server/events/conn.h"

#include <errno.h>
#include <fcntl.h>
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

#define MOST    4
#define IDLE_NS (10 * CLOCK_NS_PER_S)

/* Maximum of bytes that can be queued for a client besides a kept buffer. */
#define QUEUED_MAX (3 * CLIENT_BUFFER_SIZE)

/* ---- a shortage of memory ---- */

/* The next n_failing receives and sends fail, with this errno. */
static int n_failing, failing_with;

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);

static bool fails(void)
{
	if (n_failing == 0)
		return false;
	n_failing--;
	errno = failing_with;
	return true;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	return fails() ? -1 : __real_recv(fd, buffer, size, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	return fails() ? -1 : __real_send(fd, bytes, size, flags);
}

/* ---- a driver and its clients ---- */

static struct server_config config;
static struct control control;
static struct server server;
static struct conn_set conns;
static int theirs[MOST], n_theirs;

/* Bytes without repeating parts, and the returned bytes. */
static unsigned char message[1 << 20], returned[1 << 20];

static int fill_message(void **state)
{
	(void)state;
	uint32_t x = 9877;
	for (size_t i = 0; i < sizeof(message); i++) {
		x = x * 1664525 + 1013904223;
		message[i] = (unsigned char)(x >> 24);
	}
	return 0;
}

static int open_driver(void **state)
{
	(void)state;
	now_ns = 1000 * CLOCK_NS_PER_S;
	n_theirs = 0;
	config = (struct server_config){ .idle_timeout_ns = IDLE_NS, .quiet = true };
	control = (struct control){ .signals_fd = -1 };
	server = (struct server){ .config = &config, .control = &control };
	if (client_table_open(&server.clients, MOST, sizeof(struct conn)) < 0)
		return -1;
	int rc = conn_set_open(&conns, &server, CLIENT_BUFFER_SIZE + QUEUED_MAX);
	conn_update_now(&conns, false);
	return rc;
}

static int close_driver(void **state)
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

/* Adds a client; theirs[n_theirs - 1] is its end. The send buffer has about `room` bytes. */
static struct conn *come(int room)
{
	int ours;
	unit_socket_pair(&ours, &theirs[n_theirs++]);
	setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	int much = 1 << 20;
	setsockopt(theirs[n_theirs - 1], SOL_SOCKET, SO_SNDBUF, &much, sizeof(much));
	struct peer peer = { .family = AF_UNIX };
	struct conn *conn = (struct conn *)client_table_add(&server.clients, &peer, 0);
	assert_non_null(conn);
	conn->client.fd = ours;
	conn_restart_idle(&conns, conn);
	return conn;
}

#define PLENTY (1 << 20)
#define LITTLE 1

/* Closes the connection as its driver does. */
static void leave(struct conn *conn)
{
	io_close(&conn->client.fd);
	conn_count_out(&conns, conn);
	io_close(&theirs[--n_theirs]);
}

/*
 * The client reads what is available. Returns the number of bytes, including the `n` former ones.
 */
static size_t read_more(int fd, size_t n)
{
	ssize_t more;
	while ((more = recv(fd, returned + n, sizeof(returned) - n, MSG_DONTWAIT)) > 0)
		n += (size_t)more;
	return n;
}

/* Returns whether the client has neither bytes nor a FIN to read. */
static bool is_silent(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	return poll(&ready, 1, 0) == 0;
}

/* Returns whether the client has sent bytes that are not received yet. */
static bool is_unread(const struct conn *conn)
{
	struct pollfd ready = { .fd = conn->client.fd, .events = POLLIN };
	return poll(&ready, 1, 0) == 1;
}

/*
 * The client reads until all `size` bytes have come; the server makes a step whenever there is
 * room.
 */
static void assert_all_comes(struct conn *conn, int fd, size_t size)
{
	size_t n = 0;
	for (int turns = 0; n < size; turns++) {
		assert_true(turns < 100000);
		n = read_more(fd, n);
		assert_int_not_equal(conn_step(&conns, conn, true), CONN_OVER);
	}
	assert_int_equal(n, size);
	assert_memory_equal(returned, message, size);
	assert_true(is_silent(fd));
}

static enum close_reason ending_of(const struct conn *conn)
{
	return (enum close_reason)atomic_load(&conn->client.stats.reason);
}

static void assert_score(const struct conn *conn, uint64_t in, uint64_t out)
{
	assert_int_equal(atomic_load(&conn->client.stats.in), in);
	assert_int_equal(atomic_load(&conn->client.stats.out), out);
}

/* ---- turns ---- */

TEST(with_nothing_to_do_it_waits)
{
	struct conn *conn = come(PLENTY);
	assert_int_equal(conn_step(&conns, conn, false), CONN_WAITS);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_true(is_silent(theirs[0]));
}

TEST(a_message_comes_back_in_one_turn_and_is_counted)
{
	struct conn *conn = come(PLENTY);
	unit_write(theirs[0], message, 1000);
	assert_int_equal(conn_step(&conns, conn, false), CONN_WAITS);
	unit_read(theirs[0], returned, 1000);
	assert_memory_equal(returned, message, 1000);
	assert_score(conn, 1000, 1000);
}

TEST(a_client_that_sends_much_has_its_share_then_the_others_have_theirs)
{
	struct conn *conn = come(PLENTY);
	size_t n = 2, size = n * CLIENT_BUFFER_SIZE + 1;
	unit_write(theirs[0], message, size);
	for (size_t turns = 1; turns <= n; turns++) {
		assert_int_equal(conn_step(&conns, conn, false), CONN_AGAIN);
		assert_score(conn, turns * CLIENT_BUFFER_SIZE, turns * CLIENT_BUFFER_SIZE);
	}
	assert_int_equal(conn_step(&conns, conn, false), CONN_WAITS);
	assert_score(conn, size, size);
	assert_int_equal(read_more(theirs[0], 0), size);
	assert_memory_equal(returned, message, size);
}

TEST(what_a_client_does_not_take_is_kept_and_nothing_more_is_received)
{
	struct conn *conn = come(LITTLE);
	size_t size = 3 * CLIENT_BUFFER_SIZE;
	unit_write(theirs[0], message, size);
	for (int i = 0; i < 3; i++)
		assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	uint64_t in = atomic_load(&conn->client.stats.in);
	assert_true(in <= CLIENT_BUFFER_SIZE);
	assert_true(atomic_load(&conn->client.stats.out) < in);
	assert_true(is_unread(conn));
	assert_all_comes(conn, theirs[0], size);
	assert_score(conn, size, size);
}

TEST(what_is_kept_of_one_is_not_what_is_kept_of_another)
{
	struct conn *all[MOST];
	for (int i = 0; i < MOST; i++) {
		all[i] = come(LITTLE);
		unit_write(theirs[i], message + 1000 * i, CLIENT_BUFFER_SIZE);
		assert_int_equal(conn_step(&conns, all[i], false), CONN_WAITS);
	}
	for (int i = 0; i < MOST; i++) {
		size_t n = 0;
		while ((n = read_more(theirs[i], n)) < CLIENT_BUFFER_SIZE)
			assert_int_equal(conn_step(&conns, all[i], false), CONN_WAITS);
		assert_memory_equal(returned, message + 1000 * i, CLIENT_BUFFER_SIZE);
	}
}

TEST(buffers_of_clients_that_left_are_there_for_others)
{
	for (int i = 0; i < 5 * MOST; i++) {
		struct conn *conn = come(LITTLE);
		unit_write(theirs[0], message, CLIENT_BUFFER_SIZE);
		assert_int_equal(conn_step(&conns, conn, false), CONN_WAITS);
		if (i % 2) {
			unit_reset(theirs[0]);
			theirs[0] = -1;
			assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
		} else {
			conn_drop_buffer(&conns, conn);
		}
		leave(conn);
	}
}

/* ---- the end ---- */

TEST(the_end_of_the_stream_is_answered_when_all_is_sent)
{
	struct conn *conn = come(LITTLE);
	unit_write(theirs[0], message, CLIENT_BUFFER_SIZE);
	shutdown(theirs[0], SHUT_WR);
	size_t n = 0;
	enum conn_turn turn;
	while ((turn = conn_step(&conns, conn, true)) == CONN_WAITS)
		n = read_more(theirs[0], n);
	assert_int_equal(turn, CONN_OVER);
	n = read_more(theirs[0], n);
	assert_int_equal(n, CLIENT_BUFFER_SIZE);
	assert_memory_equal(returned, message, n);
	assert_int_equal(ending_of(conn), CLOSE_EOF);
	leave(conn);
	assert_int_equal(control.totals.ended, 1);
	assert_int_equal(control.totals.out, CLIENT_BUFFER_SIZE);
}

TEST(a_broken_connection_is_over_at_once)
{
	struct conn *conn = come(PLENTY);
	unit_write(theirs[0], message, 100);
	io_close(&theirs[0]); /* the client does not read any more */
	assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
	assert_int_equal(ending_of(conn), CLOSE_RESET);
}

/* ---- what others received for it ---- */

TEST(what_is_queued_comes_back_in_order_before_what_the_socket_has)
{
	struct conn *conn = come(PLENTY);
	assert_true(conn_queue_rx(&conns, conn, message, 1000));
	assert_true(conn_queue_rx(&conns, conn, message + 1000, 1));
	assert_true(conn_queue_rx(&conns, conn, message + 1001, 3999));
	unit_write(theirs[0], message + 5000, 700);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_int_equal(read_more(theirs[0], 0), 5700);
	assert_memory_equal(returned, message, 5700);
	assert_score(conn, 5700, 5700);
}

TEST(what_is_queued_waits_behind_what_is_kept)
{
	struct conn *conn = come(LITTLE);
	unit_write(theirs[0], message, CLIENT_BUFFER_SIZE);
	assert_int_equal(conn_step(&conns, conn, false), CONN_WAITS);
	assert_true(conn_queue_rx(&conns, conn, message + CLIENT_BUFFER_SIZE, QUEUED_MAX));
	assert_all_comes(conn, theirs[0], CLIENT_BUFFER_SIZE + QUEUED_MAX);
}

TEST(there_is_room_for_so_much_and_no_byte_more)
{
	struct conn *conn = come(PLENTY);
	assert_true(conn_queue_rx(&conns, conn, message, QUEUED_MAX - 1));
	assert_false(conn_queue_rx(&conns, conn, message, 2));
	assert_true(conn_queue_rx(&conns, conn, message + QUEUED_MAX - 1, 1));
	assert_false(conn_queue_rx(&conns, conn, message, 1));
	assert_all_comes(conn, theirs[0], QUEUED_MAX);
	/* Again, after it is sent. */
	assert_true(conn_queue_rx(&conns, conn, message, QUEUED_MAX));
	assert_all_comes(conn, theirs[0], QUEUED_MAX);
}

TEST(the_end_of_the_stream_comes_behind_what_is_queued)
{
	struct conn *conn = come(PLENTY);
	assert_true(conn_queue_rx(&conns, conn, message, 1000));
	shutdown(theirs[0], SHUT_WR);
	assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
	assert_int_equal(read_more(theirs[0], 0), 1000);
	assert_memory_equal(returned, message, 1000);
	assert_int_equal(ending_of(conn), CLOSE_EOF);
	assert_score(conn, 1000, 1000);
}

TEST(what_is_forgotten_does_not_come)
{
	struct conn *conn = come(PLENTY);
	assert_true(conn_queue_rx(&conns, conn, message, 1000));
	conn_drop_buffer(&conns, conn);
	unit_write(theirs[0], message + 5, 10);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_int_equal(read_more(theirs[0], 0), 10);
	assert_memory_equal(returned, message + 5, 10);
}

TEST(what_another_caller_could_not_send_whole_is_kept_from_its_offset)
{
	struct conn *conn = come(PLENTY);
	echo_got(&conn->echo, 1000);
	unit_write(conn->client.fd, message, 300); /* sends from its own buffer */
	echo_sent(&conn->echo, 300);
	conn_save_unsent(&conns, conn, message);
	assert_true(conn_queue_rx(&conns, conn, message + 1000, 500));
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_int_equal(read_more(theirs[0], 0), 1500);
	assert_memory_equal(returned, message, 1500);
	assert_score(conn, 1500, 1500);
}

/* ---- events without an action of the client ---- */

static void pass(uint64_t ns)
{
	now_ns += ns;
	conn_update_now(&conns, false);
}

TEST(an_idle_client_gets_our_fin_then_the_linger_timeout_then_ends)
{
	struct conn *conn = come(PLENTY);
	assert_null(conn_next_due(&conns));
	pass(IDLE_NS);
	assert_ptr_equal(conn_next_due(&conns), conn);
	assert_null(conn_next_due(&conns));
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	unit_read_end(theirs[0]);
	unit_write(theirs[0], message, 100); /* too late: discarded, and counted */
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_score(conn, 100, 0);
	pass(LINGER_IDLE_NS);
	assert_ptr_equal(conn_next_due(&conns), conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
	assert_int_equal(ending_of(conn), CLOSE_IDLE);
}

TEST(a_client_whose_bytes_move_is_not_due)
{
	struct conn *conn = come(PLENTY);
	for (int i = 0; i < 5; i++) {
		pass(IDLE_NS - CLOCK_NS_PER_S);
		assert_null(conn_next_due(&conns));
		unit_write(theirs[0], message, 1);
		assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	}
	assert_score(conn, 5, 5);
}

TEST(an_aborted_client_gets_our_fin_and_ends_with_its_own)
{
	struct conn *conn = come(PLENTY);
	unit_write(theirs[0], message, 10);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	conns.is_aborting = true;
	conn_abort(&conns, conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	unit_read(theirs[0], returned, 10);
	unit_read_end(theirs[0]);
	shutdown(theirs[0], SHUT_WR);
	assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
	assert_int_equal(ending_of(conn), CLOSE_DRAIN);
}

TEST(what_has_arrived_from_an_aborted_client_comes_back)
{
	struct conn *conn = come(PLENTY);
	assert_true(conn_queue_rx(&conns, conn, message, 1000));
	unit_write(theirs[0], message + 1000, 500);
	conns.is_aborting = true;
	conn_abort(&conns, conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_int_equal(read_more(theirs[0], 0), 1500);
	assert_memory_equal(returned, message, 1500);
	unit_read_end(theirs[0]);
	assert_score(conn, 1500, 1500);
	assert_int_equal(ending_of(conn), CLOSE_DRAIN);
}

TEST(a_client_that_ended_before_the_abort_keeps_its_reason)
{
	struct conn *conn = come(PLENTY);
	unit_write(theirs[0], message, 500);
	shutdown(theirs[0], SHUT_WR);
	conns.is_aborting = true;
	conn_abort(&conns, conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
	assert_int_equal(read_more(theirs[0], 0), 500);
	assert_score(conn, 500, 500);
	assert_int_equal(ending_of(conn), CLOSE_EOF);
}

TEST(what_has_arrived_is_thrown_away_before_a_lingering_close_is_over)
{
	struct conn *conn = come(PLENTY);
	pass(IDLE_NS);
	assert_ptr_equal(conn_next_due(&conns), conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	unit_write(theirs[0], message, 100 * 1024);
	pass(100 * LINGER_IDLE_NS); /* the process was stopped */
	assert_ptr_equal(conn_next_due(&conns), conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
	assert_score(conn, 100 * 1024, 0);
}

TEST(a_client_that_lingers_at_the_abort_has_less_time_and_keeps_its_reason)
{
	struct conn *conn = come(PLENTY);
	pass(IDLE_NS);
	assert_ptr_equal(conn_next_due(&conns), conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	conns.is_aborting = true;
	conn_abort(&conns, conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	pass(LINGER_ABORTING_NS);
	assert_ptr_equal(conn_next_due(&conns), conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_OVER);
	assert_int_equal(ending_of(conn), CLOSE_IDLE);
}

TEST(a_connection_for_which_there_is_no_memory_has_a_turn_a_little_later)
{
	static const int errors[] = { ENOMEM, ENOBUFS };
	struct conn *conn = come(PLENTY);
	unit_write(theirs[0], message, 100);
	for (int i = 0; i < 2; i++) {
		failing_with = errors[i];
		n_failing = 1;
		assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
		assert_true(conn_is_short(conn));
		assert_null(conn_next_due(&conns));
		pass(IO_SHORTAGE_PAUSE_NS);
		assert_ptr_equal(conn_next_due(&conns), conn);
		assert_false(conn_is_short(conn));
	}
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_int_equal(read_more(theirs[0], 0), 100);
	assert_memory_equal(returned, message, 100);
	assert_int_equal(ending_of(conn), CLOSE_NONE);
}

TEST(a_send_for_which_there_is_no_memory_loses_nothing)
{
	struct conn *conn = come(PLENTY);
	echo_got(&conn->echo, 100);
	memcpy(conns.buffer, message, 100);
	failing_with = ENOBUFS;
	n_failing = 1;
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_true(conn_is_short(conn));
	pass(IO_SHORTAGE_PAUSE_NS);
	assert_ptr_equal(conn_next_due(&conns), conn);
	assert_int_equal(conn_step(&conns, conn, true), CONN_WAITS);
	assert_int_equal(read_more(theirs[0], 0), 100);
	assert_memory_equal(returned, message, 100);
}

#define DRIVE_TEST(name) cmocka_unit_test_setup_teardown(name, open_driver, close_driver)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DRIVE_TEST(with_nothing_to_do_it_waits),
		DRIVE_TEST(a_message_comes_back_in_one_turn_and_is_counted),
		DRIVE_TEST(a_client_that_sends_much_has_its_share_then_the_others_have_theirs),
		DRIVE_TEST(what_a_client_does_not_take_is_kept_and_nothing_more_is_received),
		DRIVE_TEST(what_is_kept_of_one_is_not_what_is_kept_of_another),
		DRIVE_TEST(buffers_of_clients_that_left_are_there_for_others),
		DRIVE_TEST(the_end_of_the_stream_is_answered_when_all_is_sent),
		DRIVE_TEST(a_broken_connection_is_over_at_once),
		DRIVE_TEST(what_is_queued_comes_back_in_order_before_what_the_socket_has),
		DRIVE_TEST(what_is_queued_waits_behind_what_is_kept),
		DRIVE_TEST(there_is_room_for_so_much_and_no_byte_more),
		DRIVE_TEST(the_end_of_the_stream_comes_behind_what_is_queued),
		DRIVE_TEST(what_is_forgotten_does_not_come),
		DRIVE_TEST(what_another_caller_could_not_send_whole_is_kept_from_its_offset),
		DRIVE_TEST(an_idle_client_gets_our_fin_then_the_linger_timeout_then_ends),
		DRIVE_TEST(a_client_whose_bytes_move_is_not_due),
		DRIVE_TEST(an_aborted_client_gets_our_fin_and_ends_with_its_own),
		DRIVE_TEST(what_has_arrived_from_an_aborted_client_comes_back),
		DRIVE_TEST(a_client_that_ended_before_the_abort_keeps_its_reason),
		DRIVE_TEST(what_has_arrived_is_thrown_away_before_a_lingering_close_is_over),
		DRIVE_TEST(a_client_that_lingers_at_the_abort_has_less_time_and_keeps_its_reason),
		DRIVE_TEST(a_connection_for_which_there_is_no_memory_has_a_turn_a_little_later),
		DRIVE_TEST(a_send_for_which_there_is_no_memory_loses_nothing),
	};
	return cmocka_run_group_tests(tests, fill_message, NULL);
}
