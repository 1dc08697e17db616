/* SPDX-License-Identifier: MIT */
/*
 * No client is refused: one that cannot be served waits in order, in the accept queue or the wait
 * queue. A shortage neither spins nor outlasts its cause.
 */
#include "server/admission.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/control.h"
#include "unit.h"

/* One more than are accepted in one round. */
#define MANY (ADMISSION_BUDGET + 1)

/* Number of clients from which keepalive probes are spread. */
#define MANY_CLIENTS 128

static struct server_config config;
static struct control control;
static struct server server;
static struct admission admission;
static struct listener *const listener = &server.listeners.list[0];
static struct sockaddr_in address;
static struct unit_capture log_of;

/* The engine: it records each client, or refuses with a code. */
static struct {
	int refusal;
	bool serves_to_the_end; /* before it asks for the next client */
	int n_tried, n_served;
	struct waiting_client served[2 * MANY + MANY_CLIENTS];
} engine;

static void start(struct client *client)
{
	engine.n_tried++;
	/* It is in the table already, with its socket. */
	assert_true(atomic_load(&client->serial) != 0);
	assert_true(unit_is_open(client->fd));
	if (engine.refusal < 0) {
		admission_put_back(&admission, client, engine.refusal);
		return;
	}
	if (engine.serves_to_the_end) {
		engine.n_served++;
		close(client->fd);
		server_client_ended(&server, client, 0, 0);
		return;
	}
	assert_true(engine.n_served < (int)ARRAY_LEN(engine.served));
	engine.served[engine.n_served++] = (struct waiting_client){ client->fd, client->peer, 0 };
	client_table_set_pid(&server.clients, client, 1000 + engine.n_served);
}

/* Starts all clients that are handed out. Returns 0 or a negative code. */
static int start_all(void)
{
	struct client *client;
	int rc;
	while ((rc = admission_next(&admission, &client)) > 0)
		start(client);
	return rc;
}

/* The same when these listening sockets are ready. */
static int start_ready(bool first, bool second)
{
	admission.is_ready[0] = first;
	admission.is_ready[1] = second;
	return start_all();
}

/* Asserts that the i-th served client is this one. */
static void assert_served(int i, int client)
{
	struct addr here;
	assert_int_equal(addr_of_socket(client, &here), 0);
	assert_string_equal(peer_name(&engine.served[i].peer).text, addr_format(&here).text);
}

/* Ends the client that was served as the i-th. */
static void end_client(int i)
{
	client_table_remove(&server.clients, client_table_find(&server.clients, 1001 + i));
	admission_client_ended(&admission);
}

static int begin(void **state)
{
	(void)state;
	config = (struct server_config){ 0 };
	control = (struct control){ .signals_fd = -1 };
	server = (struct server){ .config = &config, .control = &control };
	memset(&admission, 0, sizeof(admission));
	memset(&engine, 0, sizeof(engine));
	*listener = (struct listener){ .fd = unit_listen(128, &address) };
	server.listeners.n = 1;
	admission_setup(&admission, &server);
	return client_table_open(&server.clients, 2 * MANY + MANY_CLIENTS, sizeof(struct client));
}

static int end(void **state)
{
	(void)state;
	for (int i = 0; i < engine.n_served; i++)
		close(engine.served[i].fd);
	for (size_t i = 0; i < admission.wait_queue.n; i++)
		close(admission.wait_queue.list[i].fd);
	linger_close_all(&admission.linger);
	listeners_close(&server.listeners);
	client_table_close(&server.clients);
	return 0;
}

/* Sets the maximum number of clients per source. */
static void limit_sources(uint64_t most)
{
	server.clients.max_per_source = most;
}

/* A client from 127.0.0.N. */
static int connect_from(unsigned int n)
{
	struct sockaddr_in here = unit_loopback(0);
	here.sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xffffff00) + n);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The client reads the FIN, and no reset follows. */
static void assert_ended_by_fin(int client)
{
	int error = -1;
	socklen_t size = sizeof(error);
	unit_read_end(client);
	assert_int_equal(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	assert_int_equal(error, 0);
}

/* One round of an engine: waiting clients first, then the accept queue. The log is in log_of. */
static int do_round(void)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	admission_check_time(&admission);
	int rc = start_ready(true, false);
	unit_capture_end(&log_of);
	return rc;
}

/* ---- while there is room ---- */

static int option_of(int fd, int name)
{
	int value;
	socklen_t size = sizeof(value);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, name, &value, &size), 0);
	return value;
}

/*
 * Returns how long the kernel tolerates silence and unanswered keepalive probes of the i-th served
 * client.
 */
static int idle_of(int i)
{
	return option_of(engine.served[i].fd, TCP_KEEPIDLE);
}

static int interval_of(int i)
{
	return option_of(engine.served[i].fd, TCP_KEEPINTVL);
}

/* Otherwise all keepalive probes would be sent at once, and be lost. */
TEST(of_many_clients_no_two_are_polled_at_one_time)
{
	int idle, interval, clients[MANY_CLIENTS + 3];
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = connect_from(1);
		ignore_result(do_round());
	}
	assert_int_equal(engine.n_served, MANY_CLIENTS + 3);
	idle = idle_of(0);
	interval = interval_of(0);
	/* with few clients, all probes have the same time */
	assert_int_equal(idle_of(MANY_CLIENTS - 1), idle);
	assert_int_equal(interval_of(MANY_CLIENTS - 1), interval);
	for (int i = MANY_CLIENTS; i < MANY_CLIENTS + 2; i++) {
		assert_int_not_equal(idle_of(i), idle_of(i + 1));
		assert_int_not_equal(interval_of(i), interval_of(i + 1));
		assert_in_range(idle_of(i), 60, 120);
		assert_in_range(interval_of(i), 7, 13);
	}
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

TEST(clients_are_served_in_the_order_of_arrival)
{
	int clients[3];
	for (unsigned int i = 0; i < 3; i++)
		clients[i] = connect_from(1 + i);
	assert_true(admission_is_open(&admission));
	assert_int_equal(do_round(), 0);
	assert_int_equal(engine.n_served, 3);
	assert_int_equal(control.totals.accepted, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_served((int)i, clients[i]);
		close(clients[i]);
	}
	assert_string_equal(log_of.text, "");
	assert_int_equal(admission_deadline_ns(&admission), CLOCK_NEVER);
}

TEST(a_burst_is_taken_in_pieces)
{
	int clients[MANY];
	for (size_t i = 0; i < MANY; i++)
		clients[i] = connect_from(1);
	assert_int_equal(do_round(), 0);
	assert_int_equal(engine.n_served, ADMISSION_BUDGET);
	assert_int_equal(do_round(), 0);
	assert_int_equal(engine.n_served, MANY);
	for (size_t i = 0; i < MANY; i++)
		close(clients[i]);
}

TEST(while_the_table_is_full_no_client_is_accepted)
{
	server.clients.limit = 2;
	int clients[] = { connect_from(1), connect_from(1), connect_from(1) };
	do_round();
	assert_int_equal(engine.n_served, 2);
	assert_int_equal(control.totals.accepted, 2);
	assert_int_equal(admission.wait_queue.n, 0); /* it waits in the accept queue */
	assert_false(admission_is_open(&admission));
	assert_int_equal(admission_deadline_ns(&admission), CLOCK_NEVER);

	end_client(0);
	assert_true(admission_is_open(&admission));
	do_round();
	assert_int_equal(engine.n_served, 3);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

TEST(an_engine_may_serve_each_client_to_its_end_before_the_next)
{
	server.clients.limit = 1;
	config.quiet = true;
	engine.serves_to_the_end = true;
	int clients[] = { connect_from(1), connect_from(1), connect_from(1) };
	assert_int_equal(do_round(), 0);
	assert_int_equal(engine.n_served, 3);
	assert_int_equal(control.totals.ended, 3);
	assert_int_equal(server.clients.count, 0);
	assert_true(admission_is_open(&admission));
	engine.n_served = 0; /* none of their sockets is open any more */
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

/* ---- shortages ---- */

TEST(a_client_that_cannot_be_started_waits_until_another_ends)
{
	int clients[] = { connect_from(1), connect_from(1), connect_from(1) };
	engine.refusal = -EAGAIN;
	do_round();
	assert_int_equal(engine.n_tried, 1);
	assert_int_equal(admission.wait_queue.n, 1);
	assert_int_equal(server.clients.count, 0); /* it left no trace in the table */
	assert_null(client_table_next(&server.clients, NULL));
	assert_int_equal(control.totals.accepted, 1); /* the others wait in the accept queue */
	assert_string_equal(log_of.text, "tcpecho: warning: cannot start serving a client: "
					 "resource temporarily unavailable, clients wait\n");

	/* Paused: no accept is tried before the deadline. */
	assert_false(admission_is_open(&admission));
	uint64_t deadline_ns = admission_deadline_ns(&admission);
	assert_true(deadline_ns != CLOCK_NEVER);
	assert_true(deadline_ns <= clock_now_ns() + ADMISSION_PAUSE_NS);
	admission.resume_ns = CLOCK_NEVER - 1;
	do_round();
	assert_int_equal(engine.n_tried, 1);

	engine.refusal = 0;
	admission_client_ended(&admission);
	assert_true(admission_is_open(&admission));
	do_round();
	assert_int_equal(engine.n_served, 3);
	assert_int_equal(admission.wait_queue.n, 0);
	assert_served(0, clients[0]); /* the first in the queue */
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

TEST(a_pause_ends_by_time_alone)
{
	int client = connect_from(1);
	engine.refusal = -ENOMEM;
	do_round();
	admission.resume_ns = clock_now_ns() + UNIT_TIMEOUT_S * CLOCK_NS_PER_S;
	admission_check_time(&admission);
	assert_false(admission_is_open(&admission));
	admission.resume_ns = clock_now_ns();
	admission_check_time(&admission);
	assert_true(admission_is_open(&admission));
	engine.refusal = 0;
	do_round();
	assert_int_equal(engine.n_served, 1);
	close(client);
}

TEST(a_lasting_shortage_is_logged_once_a_second)
{
	int client = connect_from(1);
	engine.refusal = -EAGAIN;
	do_round();
	assert_int_equal(unit_lines(log_of.text), 1);
	for (int i = 0; i < 10; i++) {
		*admission.last_logged_ns = clock_now_ns();
		admission_client_ended(&admission);
		do_round();
		assert_string_equal(log_of.text, "");
	}
	assert_int_equal(engine.n_tried, 11);
	assert_int_equal(admission.wait_queue.n, 1);

	*admission.last_logged_ns = clock_now_ns() - CLOCK_NS_PER_S;
	admission_client_ended(&admission);
	do_round();
	assert_int_equal(unit_lines(log_of.text), 1);
	close(client);
}

static void accept_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit limit;
	UNIT_CHILD_MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	unit_capture_begin(&log_of, STDERR_FILENO);
	limit.rlim_cur = 3; /* the standard descriptors only */
	setrlimit(RLIMIT_NOFILE, &limit);
	int rc = start_ready(true, false);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	unit_capture_end(&log_of);

	UNIT_CHILD_MUST(rc == 0 && admission.is_ready[0]);
	UNIT_CHILD_MUST(!admission_is_open(&admission));
	UNIT_CHILD_MUST(engine.n_tried == 0 && admission.wait_queue.n == 0);
	UNIT_CHILD_MUST(strcmp(log_of.text, "tcpecho: warning: cannot accept: too many open files, "
					    "clients wait\n") == 0);
}

TEST(without_descriptors_admission_pauses_and_clients_stay_queued)
{
	int client = connect_from(1);
	unit_in_child(accept_without_descriptors, NULL);
	do_round();
	assert_int_equal(engine.n_served, 1);
	close(client);
}

TEST(a_lost_listening_socket_is_an_error_that_is_logged)
{
	listener->addr = addr_wildcard(AF_INET, 9877);
	close(listener->fd);
	listener->fd = INT_MAX; /* never open */
	assert_int_equal(do_round(), -EBADF);
	assert_string_equal(log_of.text,
			    "tcpecho: cannot accept on 0.0.0.0:9877: bad file descriptor\n");
	listener->fd = -1;
}

/* ---- the limit per source ---- */

TEST(a_source_over_its_limit_waits_and_another_does_not)
{
	limit_sources(1);
	int clients[] = { connect_from(1), connect_from(1), connect_from(2), connect_from(1) };
	assert_int_equal(do_round(), 0);
	assert_int_equal(engine.n_served, 2);
	assert_int_equal(admission.wait_queue.n, 2);
	assert_true(admission_is_open(&admission));
	assert_string_equal(log_of.text, "");

	end_client(1); /* it belongs to the other source, so no waiting client may start */
	do_round();
	assert_int_equal(engine.n_served, 2);
	end_client(0);
	do_round();
	assert_int_equal(engine.n_served, 3);
	assert_int_equal(admission.wait_queue.n, 1);
	end_client(2);
	do_round();
	assert_int_equal(engine.n_served, 4);
	assert_int_equal(admission.wait_queue.n, 0);
	assert_served(2, clients[1]); /* in order */
	assert_served(3, clients[3]);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

TEST(a_client_that_does_not_fit_into_the_wait_queue_gets_a_fin)
{
	limit_sources(1);
	admission.wait_queue.limit = 2;
	static const char unread[40000]; /* unread bytes, with which a close becomes a reset */
	int clients[5];
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = connect_from(1);
		unit_write(clients[i], unread, sizeof(unread));
	}
	do_round();
	assert_int_equal(engine.n_served, 1);
	assert_int_equal(admission.wait_queue.n, 2);
	assert_int_equal(control.totals.accepted, 5);
	assert_int_equal(control.totals.turned_away, 2);
	assert_int_equal(unit_lines(log_of.text), 2);
	assert_non_null(strstr(log_of.text, " reason=source-limit\n"));
	assert_ended_by_fin(clients[3]);
	assert_ended_by_fin(clients[4]);

	/* Another source is still served. */
	int other = connect_from(2);
	do_round();
	assert_int_equal(engine.n_served, 2);
	close(other);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

TEST(a_place_is_kept_for_a_client_that_meets_a_shortage)
{
	limit_sources(1);
	admission.wait_queue.limit = 1;
	int clients[] = { connect_from(1), connect_from(1) };
	do_round();
	assert_int_equal(admission.wait_queue.n, 1);
	engine.refusal = -EAGAIN;
	int other = connect_from(2);
	do_round();
	assert_int_equal(admission.wait_queue.n, 2);
	assert_int_equal(control.totals.turned_away, 0);
	engine.refusal = 0;
	admission_client_ended(&admission);
	do_round();
	assert_int_equal(admission.wait_queue.n, 1);
	assert_int_equal(engine.n_served, 2);
	close(other);
	close(clients[0]);
	close(clients[1]);
}

TEST(a_client_turned_away_or_served_blocks_no_other)
{
	limit_sources(1);
	admission.wait_queue.limit = 1;
	int clients[] = { connect_from(1), connect_from(1), connect_from(1) };
	do_round();
	assert_int_equal(admission.wait_queue.n, 1);
	assert_int_equal(control.totals.turned_away, 1);
	end_client(0);
	do_round();
	assert_int_equal(engine.n_served, 2);
	end_client(1);
	int next = connect_from(1);
	do_round();
	assert_int_equal(engine.n_served, 3);

	/* A client that still waits when the server ends is not served either. */
	int last = connect_from(1);
	do_round();
	assert_int_equal(admission.wait_queue.n, 1);
	server.drain.phase = DRAIN_ABORTING;
	unit_capture_begin(&log_of, STDERR_FILENO);
	admission_check_time(&admission);
	unit_capture_end(&log_of);
	assert_int_equal(admission.wait_queue.n, 0);
	close(last);
	close(next);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

/*
 * Accepts clients of one source that waits: `n` of 127.0.0.`source`. Their sockets are in clients.
 */
static void let_wait(unsigned int source, int *clients, size_t n)
{
	for (size_t i = 0; i < n; i++)
		clients[i] = connect_from(source);
	do_round();
}

static void close_all(const int *clients, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(clients[i]);
}

TEST(when_the_room_is_full_the_source_with_the_most_connections_gives_way)
{
	limit_sources(1);
	admission.wait_queue.limit = 4;
	int first[5], second[4], third[3];
	let_wait(1, first, 5); /* one is served, four wait */
	assert_int_equal(admission.wait_queue.n, 4);
	assert_int_equal(control.totals.turned_away, 0);

	let_wait(2, second,
		 4); /* one is served, and two replace the latest ones of the first source */
	assert_int_equal(engine.n_served, 2);
	assert_int_equal(admission.wait_queue.n, 4);
	assert_int_equal(control.totals.turned_away, 3);
	assert_ended_by_fin(first[4]);
	assert_ended_by_fin(first[3]);
	assert_ended_by_fin(second[3]);

	let_wait(3, third, 3); /* two sources have two each: one of these has one afterwards */
	assert_int_equal(engine.n_served, 3);
	assert_int_equal(admission.wait_queue.n, 4);
	assert_int_equal(control.totals.turned_away, 5);
	assert_ended_by_fin(third[2]);

	/* The remaining clients are served in order. */
	end_client(0);
	do_round();
	assert_int_equal(engine.n_served, 4);
	assert_served(3, first[1]);
	close_all(first, 5);
	close_all(second, 4);
	close_all(third, 3);
}

/* The round of an engine that polls for waiting connections that end. */
static void do_round_with_polls(void)
{
	struct pollfd polls[WAIT_QUEUE_ENTRIES];
	unit_capture_begin(&log_of, STDERR_FILENO);
	size_t n = wait_queue_poll(&admission.wait_queue, polls);
	assert_int_equal(n, admission.wait_queue.n);
	poll(polls, n, 0);
	admission_drop_ended(&admission, polls);
	assert_int_equal(start_all(), 0);
	unit_capture_end(&log_of);
}

/*
 * Returns the number of readable descriptors of waiting connections: these would wake the engine.
 */
static int count_ready(void)
{
	struct pollfd polls[WAIT_QUEUE_ENTRIES];
	return poll(polls, wait_queue_poll(&admission.wait_queue, polls), 0);
}

TEST(a_connection_that_the_client_ends_while_it_waits_is_dropped_and_logged)
{
	limit_sources(1);
	int clients[4];
	let_wait(1, clients, 4);
	assert_int_equal(admission.wait_queue.n, 3);
	assert_int_equal(count_ready(), 0);
	close(clients[1]);
	unit_reset(clients[2]);
	UNIT_WAIT_UNTIL(count_ready() == 2);
	do_round_with_polls();
	assert_int_equal(admission.wait_queue.n, 1);
	assert_int_equal(control.totals.ended, 2);
	assert_int_equal(control.totals.turned_away, 0);
	assert_int_equal(unit_lines(log_of.text), 2);
	assert_non_null(strstr(log_of.text, " in=0 out=0 "));
	assert_non_null(strstr(log_of.text, " reason=eof\n"));
	assert_non_null(strstr(log_of.text, " reason=reset\n"));

	end_client(0);
	do_round_with_polls();
	assert_int_equal(engine.n_served, 2);
	assert_served(1, clients[3]);
	close(clients[0]);
	close(clients[3]);
}

TEST(a_half_closed_connection_with_bytes_waits_for_their_echo_and_wakes_nothing)
{
	limit_sources(1);
	int clients[2];
	let_wait(1, clients, 2);
	unit_write(clients[1], "hello", 5);
	assert_int_equal(shutdown(clients[1], SHUT_WR), 0);
	UNIT_WAIT_UNTIL(count_ready() == 1);
	do_round_with_polls();
	assert_int_equal(admission.wait_queue.n, 1);
	assert_int_equal(count_ready(), 0);

	end_client(0);
	do_round_with_polls();
	assert_int_equal(engine.n_served, 2);
	close_all(clients, 2);
}

TEST(a_reset_behind_a_half_close_is_noticed_while_it_waits)
{
	limit_sources(1);
	int clients[2];
	let_wait(1, clients, 2);
	unit_write(clients[1], "hello", 5);
	assert_int_equal(shutdown(clients[1], SHUT_WR), 0);
	UNIT_WAIT_UNTIL(count_ready() == 1);
	do_round_with_polls();
	unit_reset(clients[1]);
	UNIT_WAIT_UNTIL(count_ready() == 1);
	do_round_with_polls();
	assert_int_equal(admission.wait_queue.n, 0);
	assert_non_null(strstr(log_of.text, " reason=reset\n"));
	close(clients[0]);
}

TEST(unix_clients_are_no_source)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(name);
	close(listener->fd);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener->fd, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listener->fd, 8), 0);
	assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&name, &size), 0);
	limit_sources(1);
	int clients[3];
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&name, size), 0);
	}
	do_round();
	assert_int_equal(engine.n_served, 3);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
}

/* ---- the wait queue ---- */

TEST(a_client_that_still_waits_at_the_drain_timeout_gets_a_fin_and_that_reason)
{
	int client = connect_from(1);
	unit_write(client, "unread", 6);
	engine.refusal = -EAGAIN;
	do_round();
	assert_int_equal(admission.wait_queue.n, 1);
	server.drain.phase = DRAIN_ABORTING;
	unit_capture_begin(&log_of, STDERR_FILENO);
	admission_check_time(&admission);
	admission_check_time(&admission);
	unit_capture_end(&log_of);
	assert_int_equal(admission.wait_queue.n, 0);
	assert_ended_by_fin(client);
	assert_int_equal(unit_lines(log_of.text), 1);
	assert_non_null(strstr(log_of.text, " reason=drain\n"));
	close(client);
}

/* ---- all listening sockets ---- */

/* Adds a second listening descriptor for the same socket. */
static void listen_twice(void)
{
	server.listeners.list[1] = (struct listener){ .fd = dup(listener->fd) };
	server.listeners.n = 2;
}

static void close_listeners(void)
{
	listeners_close(&server.listeners);
}

TEST(only_clients_of_ready_sockets_are_accepted)
{
	listen_twice();
	int client = connect_from(1);
	assert_int_equal(start_ready(false, false), 0);
	assert_int_equal(engine.n_served, 0);
	assert_int_equal(start_ready(false, true), 0);
	assert_int_equal(engine.n_served, 1);
	assert_true(listeners_any_open(&server.listeners));
	close(client);
	close_listeners();
}

TEST(a_socket_that_is_lost_while_we_serve_is_a_reason_to_end)
{
	listen_twice();
	int fd = server.listeners.list[1].fd;
	close(fd);
	unit_capture_begin(&log_of, STDERR_FILENO);
	assert_int_equal(start_ready(true, true), -EBADF);
	unit_capture_end(&log_of);
	assert_int_equal(unit_lines(log_of.text), 1);
	server.listeners.list[1].fd = -1;
	close_listeners();
}

TEST(a_socket_that_is_lost_while_it_drains_is_only_closed)
{
	listen_twice();
	server.drain.phase = DRAIN_DRAINING;
	close(server.listeners.list[0].fd);
	unit_capture_begin(&log_of, STDERR_FILENO);
	assert_int_equal(start_ready(true, true), 0);
	unit_capture_end(&log_of);
	assert_int_equal(unit_lines(log_of.text), 1);
	assert_int_equal(server.listeners.list[0].fd, -1);
	assert_true(server.listeners.list[1].fd >= 0);
}

/* The round of the process that controls the drain. Returns whether it closes the sockets. */
static bool drain_round(void)
{
	unit_capture_begin(&log_of, STDERR_FILENO);
	admission_check_time(&admission);
	bool is_empty = admission_drain(&admission, 0, false);
	if (is_empty)
		admission_close(&admission);
	unit_capture_end(&log_of);
	return is_empty;
}

TEST(during_the_drain_queued_clients_are_served_then_the_sockets_are_closed)
{
	listen_twice();
	int clients[] = { connect_from(1), connect_from(1) };
	server.drain.phase = DRAIN_DRAINING;
	for (int i = 0; i < 3; i++) {
		assert_false(drain_round()); /* the accept queue has a client */
		assert_true(admission_deadline_ns(&admission) != CLOCK_NEVER);
		unit_sleep_ms(LISTEN_DRAIN_SETTLE_NS / CLOCK_NS_PER_MS / 2);
	}
	assert_int_equal(start_ready(true, false), 0);
	assert_int_equal(engine.n_served, 2);
	UNIT_WAIT_UNTIL(drain_round());
	assert_false(listeners_any_open(&server.listeners));
	assert_int_equal(admission_deadline_ns(&admission), CLOCK_NEVER);
	assert_false(admission_is_over(&admission));
	end_client(0);
	end_client(1);
	assert_true(admission_is_over(&admission));
	server.drain.phase = DRAIN_SERVING;
	assert_false(admission_is_over(&admission));
	close(clients[0]);
	close(clients[1]);
}

TEST(a_full_one_whose_queue_is_empty_closes_it_while_its_clients_are_there)
{
	listen_twice();
	server.clients.limit = 1;
	int client = connect_from(1);
	assert_int_equal(start_ready(true, true), 0);
	assert_false(admission_is_open(&admission));
	server.drain.phase = DRAIN_DRAINING;
	UNIT_WAIT_UNTIL(drain_round());
	assert_int_equal(engine.n_served, 1);
	assert_int_equal(control.totals.turned_away, 0);
	close(client);
}

TEST(a_client_in_the_wait_queue_is_served_though_the_sockets_are_closed)
{
	limit_sources(1);
	listen_twice();
	int clients[] = { connect_from(1), connect_from(1) };
	assert_int_equal(start_ready(true, true), 0);
	assert_int_equal(engine.n_served, 1);
	assert_int_equal(admission.wait_queue.n, 1);
	server.drain.phase = DRAIN_DRAINING;
	UNIT_WAIT_UNTIL(drain_round());
	assert_false(admission_is_over(&admission)); /* one is served, one waits */
	end_client(0);
	assert_false(admission_is_over(&admission)); /* one waits */
	assert_int_equal(start_all(), 0);
	assert_int_equal(engine.n_served, 2);
	assert_false(admission_is_over(&admission)); /* one is served */
	end_client(1);
	assert_true(admission_is_over(&admission));
	close(clients[0]);
	close(clients[1]);
}

/* More clients than may linger at a time: the queue keeps the others until there is room. */
TEST(a_queued_client_that_still_sends_gets_a_fin_at_the_drain_timeout)
{
	int clients[10];
	listen_twice();
	admission.linger.n_max = 3;
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = connect_from(1);
		unit_write(clients[i], "before", 6);
	}
	server.drain.phase = DRAIN_ABORTING;
	assert_false(drain_round());
	assert_int_equal(control.totals.turned_away, 3);
	assert_int_equal(unit_lines(log_of.text), 3);
	assert_non_null(strstr(log_of.text, " reason=drain\n"));
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		UNIT_WAIT_UNTIL(drain_round() || control.totals.turned_away > i);
		unit_write(clients[i], "behind", 6);
		assert_ended_by_fin(clients[i]);
		close(clients[i]);
	}
	UNIT_WAIT_UNTIL(drain_round() && admission_is_over(&admission));
	assert_int_equal(engine.n_served, 0);
	assert_int_equal(control.totals.turned_away, ARRAY_LEN(clients));
	assert_int_equal(control.totals.accepted, ARRAY_LEN(clients));
}

TEST(a_second_signal_closes_all_of_it_at_once)
{
	int clients[10];
	listen_twice();
	admission.linger.n_max = 3;
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = connect_from(1);
		unit_write(clients[i], "before", 6);
	}
	server.drain.phase = DRAIN_KILLING;
	assert_true(drain_round());
	assert_false(listeners_any_open(&server.listeners));
	assert_true(drain_round());
	assert_true(admission_is_over(&admission));
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		assert_ended_by_fin(clients[i]);
		close(clients[i]);
	}
}

TEST(clients_turned_away_are_closed_first_when_descriptors_are_short)
{
	limit_sources(1);
	admission.wait_queue.limit = 0;
	int clients[] = { connect_from(1), connect_from(1) };
	do_round();
	assert_int_equal(admission.linger.n, 1);
	struct rlimit limit;
	int other = connect_from(2), last = admission.linger.list[0].fd;
	int holes[64];
	size_t n_holes = 0; /* among the numbers below it */
	while ((holes[n_holes++] = dup(other)) < last)
		assert_true(n_holes < ARRAY_LEN(holes));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit tight = { .rlim_cur = (rlim_t)last + 1, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	int rc = start_ready(true, false);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(rc, 0);
	assert_true(admission_is_paused(&admission)); /* there is no room for another one */
	assert_int_equal(admission.linger.n, 0);
	assert_int_equal(engine.n_served, 2);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
	while (n_holes > 0)
		close(holes[--n_holes]);
	close(other);
}

#define ADMISSION_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ADMISSION_TEST(of_many_clients_no_two_are_polled_at_one_time),
		ADMISSION_TEST(clients_are_served_in_the_order_of_arrival),
		ADMISSION_TEST(a_burst_is_taken_in_pieces),
		ADMISSION_TEST(while_the_table_is_full_no_client_is_accepted),
		ADMISSION_TEST(a_client_that_cannot_be_started_waits_until_another_ends),
		ADMISSION_TEST(an_engine_may_serve_each_client_to_its_end_before_the_next),
		ADMISSION_TEST(a_pause_ends_by_time_alone),
		ADMISSION_TEST(a_lasting_shortage_is_logged_once_a_second),
		ADMISSION_TEST(without_descriptors_admission_pauses_and_clients_stay_queued),
		ADMISSION_TEST(a_lost_listening_socket_is_an_error_that_is_logged),
		ADMISSION_TEST(a_source_over_its_limit_waits_and_another_does_not),
		ADMISSION_TEST(a_client_that_does_not_fit_into_the_wait_queue_gets_a_fin),
		ADMISSION_TEST(a_place_is_kept_for_a_client_that_meets_a_shortage),
		ADMISSION_TEST(a_client_turned_away_or_served_blocks_no_other),
		ADMISSION_TEST(
			when_the_room_is_full_the_source_with_the_most_connections_gives_way),
		ADMISSION_TEST(
			a_connection_that_the_client_ends_while_it_waits_is_dropped_and_logged),
		ADMISSION_TEST(
			a_half_closed_connection_with_bytes_waits_for_their_echo_and_wakes_nothing),
		ADMISSION_TEST(a_reset_behind_a_half_close_is_noticed_while_it_waits),
		ADMISSION_TEST(unix_clients_are_no_source),
		ADMISSION_TEST(
			a_client_that_still_waits_at_the_drain_timeout_gets_a_fin_and_that_reason),
		ADMISSION_TEST(only_clients_of_ready_sockets_are_accepted),
		ADMISSION_TEST(a_socket_that_is_lost_while_we_serve_is_a_reason_to_end),
		ADMISSION_TEST(a_socket_that_is_lost_while_it_drains_is_only_closed),
		ADMISSION_TEST(
			during_the_drain_queued_clients_are_served_then_the_sockets_are_closed),
		ADMISSION_TEST(
			a_full_one_whose_queue_is_empty_closes_it_while_its_clients_are_there),
		ADMISSION_TEST(a_client_in_the_wait_queue_is_served_though_the_sockets_are_closed),
		ADMISSION_TEST(a_queued_client_that_still_sends_gets_a_fin_at_the_drain_timeout),
		ADMISSION_TEST(a_second_signal_closes_all_of_it_at_once),
		ADMISSION_TEST(clients_turned_away_are_closed_first_when_descriptors_are_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
