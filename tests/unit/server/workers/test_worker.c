/* SPDX-License-Identifier: MIT */
/*
 * A worker's turns without its process: it accepts clients while it has room, reports when it is
 * full, and notices the shutdown through its two shutdown pipes.
 */
#include "server/workers/worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/wakeup.h"
#include "server/control.h"
#include "server/engine.h"
#include "server/shutdown_pipe.h"
#include "unit.h"

#define MOST   2
#define OTHERS 4

static struct server_config config;
static struct control control;
static struct server server;
static struct worker_slot slot;
static struct worker worker;
static struct shutdown_pipe closing, shutdown_pipe;
static struct sockaddr_in address;

/* The engine: the clients that it serves. */
static struct client *served[16];
static int n_served;
static int refusal; /* a negative code: the engine cannot serve */

/* The end of a turn of the engine. */
static void start_clients(void)
{
	struct client *client;
	int rc;
	while ((rc = worker_next_client(&worker, &client)) > 0) {
		assert_true(unit_is_open(client->fd));
		if (refusal < 0)
			admission_put_back(&worker.admission, client, refusal);
		else
			served[n_served++] = client;
	}
	assert_int_equal(rc, 0);
}

/* ---- a shortage ---- */

/* While it is set, no descriptor can be added to the poller. */
static int adding_fails_with;

int __real_epoll_ctl(int poller_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int poller_fd, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int poller_fd, int operation, int fd, struct epoll_event *event)
{
	if (operation != EPOLL_CTL_ADD || adding_fails_with == 0)
		return __real_epoll_ctl(poller_fd, operation, fd, event);
	errno = adding_fails_with;
	return -1;
}

static int begin(void **state)
{
	(void)state;
	n_served = refusal = 0;
	adding_fails_with = 0;
	memset(&slot, 0, sizeof(slot));
	config = (struct server_config){
		.engine = engine_find("epoll"),
		.quiet = true,
		.max_clients = MOST,
		.n_workers = 1,
		.per_worker = MOST,
	};
	control = (struct control){ .signals_fd = -1 };
	server = (struct server){ .config = &config, .control = &control };
	server.listeners.list[0].fd = unit_listen(16, &address);
	server.listeners.n = 1;
	if (client_table_open(&server.clients, MOST, sizeof(struct client)) < 0 ||
	    shutdown_pipe_open(&closing) < 0 || shutdown_pipe_open(&shutdown_pipe) < 0)
		return -1;
	worker = (struct worker){
		.n_workers = 1,
		.slot = &slot,
		.server = &server,
		.closing_fd = closing.child_fd,
		.shutdown_fd = shutdown_pipe.child_fd,
	};
	return 0;
}

static void open_worker(void)
{
	assert_int_equal(worker_open(&worker), 0);
}

static int end(void **state)
{
	(void)state;
	for (struct client *at = client_table_next(&server.clients, NULL); at != NULL;
	     at = client_table_next(&server.clients, at))
		close(at->fd);
	worker_close(&worker);
	listeners_close(&server.listeners);
	shutdown_pipe_close(&closing);
	shutdown_pipe_close(&shutdown_pipe);
	client_table_close(&server.clients);
	return 0;
}

/* One turn of an engine without events: waits until a descriptor is ready. */
static void take_turn(void)
{
	assert_int_equal(worker_wait(&worker, clock_deadline_ns(20 * CLOCK_NS_PER_MS)), 0);
	assert_int_equal(worker.events.n, 0);
	start_clients();
}

#define TAKE_TURNS_UNTIL(condition)                                      \
	do {                                                             \
		for (int turns = 0; !(condition); turns++, take_turn())  \
			assert_true(turns < UNIT_TIMEOUT_S * 1000 / 20); \
	} while (0)

/* No event occurs within some turns. */
static void take_some_turns(void)
{
	for (int i = 0; i < 3; i++)
		take_turn();
}

static void end_client(int i)
{
	close(served[i]->fd);
	client_table_remove(&server.clients, served[i]);
	admission_client_ended(&worker.admission);
}

static bool is_readable(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	return poll(&ready, 1, 0) == 1;
}

static bool is_full(void)
{
	return atomic_load(&slot.is_full) != 0;
}

/* ---- letting in ---- */

TEST(a_new_client_is_entered_and_served)
{
	open_worker();
	assert_int_equal(worker_deadline_ns(&worker), CLOCK_NEVER);
	int client = unit_connect(&address);
	TAKE_TURNS_UNTIL(n_served == 1);
	assert_int_equal(server.clients.count, 1);
	assert_int_equal(control.totals.accepted, 1);
	assert_false(is_full());
	close(client);
}

TEST(a_client_queued_before_the_start_is_served_too)
{
	int client = unit_connect(&address);
	open_worker();
	TAKE_TURNS_UNTIL(n_served == 1);
	close(client);
}

TEST(a_full_worker_reports_it_and_leaves_the_others_in_the_queue)
{
	int clients[MOST + 1];
	open_worker();
	for (int i = 0; i <= MOST; i++)
		clients[i] = unit_connect(&address);
	TAKE_TURNS_UNTIL(n_served == MOST);
	take_some_turns();
	assert_true(is_full());
	assert_int_equal(control.totals.accepted, MOST);
	assert_false(is_readable(worker.poller.fd)); /* they do not wake the worker */

	end_client(0);
	TAKE_TURNS_UNTIL(n_served == MOST + 1);
	assert_true(is_full());
	end_client(1);
	start_clients();
	assert_false(is_full());
	for (int i = 0; i <= MOST; i++)
		close(clients[i]);
}

TEST(the_events_of_an_engine_are_left_to_it_and_no_others)
{
	int ours, theirs;
	open_worker();
	unit_socket_pair(&ours, &theirs);
	assert_int_equal(poller_add(&worker.poller, ours, EPOLLIN, WORKER_TAGS - 1), 0);
	int client = unit_connect(&address);
	UNIT_WAIT_UNTIL(is_readable(server.listeners.list[0].fd));
	unit_write(theirs, "x", 1); /* after the worker's own event */
	assert_int_equal(worker_wait(&worker, CLOCK_NEVER), 0);
	assert_int_equal(worker.events.n, 1);
	assert_true(worker.events.list[0].data.u64 == WORKER_TAGS - 1);
	start_clients();
	assert_int_equal(n_served, 1);
	close(client);
	close(ours);
	close(theirs);
}

TEST(an_engine_that_polls_the_sockets_itself_passes_which_are_ready)
{
	worker.polls_listeners = true;
	open_worker();
	int client = unit_connect(&address);
	take_some_turns();
	assert_int_equal(n_served, 0);
	assert_true(worker.is_armed); /* so it waits for connections */
	worker.admission.is_ready[0] = true;
	start_clients();
	assert_int_equal(n_served, 1);
	close(client);
}

/* ---- a wake-up that it cannot use ---- */

/* Opens one of two workers. The other waits for its wake-ups. */
static void open_one_of_two(void)
{
	worker.n_workers = 2;
	worker.wakeup_fd = wakeup_open_edge();
	open_worker();
}

TEST(a_worker_that_was_woken_and_is_full_wakes_another)
{
	int clients[MOST];
	open_one_of_two();
	for (int i = 0; i < MOST; i++)
		clients[i] = unit_connect(&address);
	TAKE_TURNS_UNTIL(n_served == MOST);
	/* it accepted the connection for which it was woken */
	assert_false(is_readable(worker.wakeup_fd));
	worker.admission.is_ready[0] = true;
	start_clients();
	assert_true(is_readable(worker.wakeup_fd));
	assert_false(is_readable(worker.poller.fd)); /* it does not wake itself */
	close(worker.wakeup_fd);
	for (int i = 0; i < MOST; i++)
		close(clients[i]);
}

TEST(a_worker_that_was_woken_and_pauses_wakes_another)
{
	open_one_of_two();
	worker.admission.resume_ns = clock_deadline_ns(UNIT_TIMEOUT_S * CLOCK_NS_PER_S);
	worker.admission.is_ready[0] = true;
	start_clients();
	assert_true(is_readable(worker.wakeup_fd));
	close(worker.wakeup_fd);
}

TEST(a_worker_woken_by_another_polls_the_listening_sockets)
{
	static const uint64_t one = 1;
	open_one_of_two();
	assert_int_equal(poller_remove(&worker.poller, server.listeners.list[0].fd), 0);
	int client = unit_connect(&address);
	take_some_turns();
	assert_int_equal(n_served, 0);
	unit_write(worker.wakeup_fd, &one, sizeof(one));
	TAKE_TURNS_UNTIL(n_served == 1);
	take_some_turns();
	assert_false(is_readable(worker.wakeup_fd));
	assert_false(is_readable(worker.poller.fd));
	close(worker.wakeup_fd);
	close(client);
}

TEST(a_worker_that_cannot_wait_for_connections_pauses_and_tries_again)
{
	static const int errors[] = { ENOMEM, ENOSPC };
	open_worker();
	for (int i = 0; i < 2; i++) {
		adding_fails_with = errors[i];
		assert_int_equal(poller_remove(&worker.poller, server.listeners.list[0].fd), 0);
		worker.is_armed =
			/* as after an accept, when the other workers have their turn first */
			false;
		start_clients();
		assert_true(admission_is_paused(&worker.admission));
		assert_false(worker.is_armed);
		int client = unit_connect(&address);
		take_some_turns();
		assert_int_equal(n_served, i);
		adding_fails_with = 0;
		TAKE_TURNS_UNTIL(n_served == i + 1);
		close(client);
	}
}

/* ---- the end ---- */

TEST(a_worker_closes_its_copies_when_the_queues_are_said_to_be_empty)
{
	open_worker();
	int client = unit_connect(&address);
	TAKE_TURNS_UNTIL(n_served == 1);
	atomic_store(worker.admission.listen_state, LISTEN_DRAIN_STOPPED);
	int late = unit_connect(&address); /* its handshake had begun before */
	TAKE_TURNS_UNTIL(n_served == 2);
	assert_int_equal(atomic_load(&slot.has_closed), 0);
	shutdown_pipe_signal(&closing);
	TAKE_TURNS_UNTIL(!listeners_any_open(&server.listeners));
	assert_int_equal(atomic_load(&slot.has_closed), 1);
	assert_int_equal(server.drain.phase, DRAIN_DRAINING);
	assert_false(worker_is_aborting(&worker));
	assert_false(worker_is_done(&worker));
	end_client(0);
	end_client(1);
	start_clients();
	assert_true(worker_is_done(&worker));
	close(client);
	close(late);
}

/* Makes the first listening socket a unix socket. */
static struct listener *listen_on_unix_socket(void)
{
	struct addr addr = { .local = { .sun_family = AF_UNIX } };
	struct listener *listener = &server.listeners.list[0];
	addr.len = sizeof(sa_family_t);
	close(listener->fd);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &addr.any, addr.len), 0);
	assert_int_equal(listen(fd, 4), 0);
	*listener = (struct listener){ .fd = fd };
	assert_int_equal(addr_of_socket(fd, &listener->addr), 0);
	return listener;
}

/* A stopped unix socket is always readable: the worker must not poll it. */
TEST(a_stopped_unix_socket_is_closed_by_the_worker_that_found_its_queue_empty)
{
	struct listener *listener = listen_on_unix_socket();
	int fd = listener->fd;
	open_worker();
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &listener->addr.any, listener->addr.len), 0);
	listen_stop(fd, AF_UNIX, false);
	atomic_store(worker.admission.listen_state, LISTEN_DRAIN_STOPPED);
	TAKE_TURNS_UNTIL(atomic_load(&slot.found_empty) != 0);
	assert_int_equal(n_served, 1);
	assert_int_equal(atomic_load(&slot.found_empty), 1);
	assert_int_equal(listener->fd, -1);
	assert_false(is_readable(worker.poller.fd));
	close(client);
}

/* The slot has what the earlier worker found, which is not trusted: that worker may have failed. */
TEST(a_worker_that_replaces_another_looks_into_the_queues_itself)
{
	struct listener *listener = listen_on_unix_socket();
	listen_stop(listener->fd, AF_UNIX, false);
	atomic_store(&slot.found_empty, UINT64_MAX);
	open_worker();
	assert_int_not_equal(listener->fd, -1);
	atomic_store(worker.admission.listen_state, LISTEN_DRAIN_STOPPED);
	TAKE_TURNS_UNTIL(listener->fd == -1);
	assert_false(is_readable(worker.poller.fd));
}

TEST(without_clients_the_worker_ends_with_its_queues)
{
	open_worker();
	shutdown_pipe_signal(&closing);
	TAKE_TURNS_UNTIL(worker_is_done(&worker));
	assert_false(listeners_any_open(&server.listeners));
}

/*
 * The supervisor turns away the clients in the accept queue; the worker keeps those it has
 * accepted.
 */
TEST(a_client_in_the_wait_queue_at_the_abort_gets_a_fin_and_the_linger_timeout)
{
	open_worker();
	int served_one = unit_connect(&address);
	TAKE_TURNS_UNTIL(n_served == 1);
	refusal = -EAGAIN; /* fork() or pthread_create() fails */
	int waiting = unit_connect(&address);
	TAKE_TURNS_UNTIL(control.totals.accepted == 2);
	shutdown_pipe_signal(&shutdown_pipe);
	TAKE_TURNS_UNTIL(control.totals.turned_away == 1);
	unit_read_end(waiting);
	unit_write(waiting, "x", 1); /* these bytes must not cause a reset */
	take_some_turns();
	unit_write(waiting, "x", 1);
	end_client(0);
	assert_false(worker_is_done(&worker));
	close(waiting);
	TAKE_TURNS_UNTIL(worker_is_done(&worker));
	close(served_one);
}

TEST(an_aborted_worker_admits_no_client_and_ends_with_its_last)
{
	open_worker();
	int first = unit_connect(&address);
	TAKE_TURNS_UNTIL(n_served == 1);
	shutdown_pipe_signal(&shutdown_pipe);
	TAKE_TURNS_UNTIL(worker_is_aborting(&worker));
	take_some_turns();
	assert_false(listeners_any_open(&server.listeners));
	assert_false(worker_is_done(&worker));
	end_client(0);
	assert_true(worker_is_done(&worker));
	close(first);
}

TEST(a_lifeline_that_was_cut_does_not_wake_again_and_again)
{
	open_worker();
	int client = unit_connect(&address);
	TAKE_TURNS_UNTIL(n_served == 1);
	shutdown_pipe_signal(&closing);
	shutdown_pipe_signal(&shutdown_pipe);
	TAKE_TURNS_UNTIL(worker_is_aborting(&worker));
	assert_false(is_readable(worker.poller.fd));
	close(client);
}

TEST(a_worker_that_is_closed_has_opened_nothing)
{
	size_t before = unit_open_descriptors();
	open_worker();
	worker_close(&worker);
	assert_int_equal(unit_open_descriptors(), before);
}

#define WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(a_new_client_is_entered_and_served),
		WORKER_TEST(a_client_queued_before_the_start_is_served_too),
		WORKER_TEST(a_full_worker_reports_it_and_leaves_the_others_in_the_queue),
		WORKER_TEST(the_events_of_an_engine_are_left_to_it_and_no_others),
		WORKER_TEST(an_engine_that_polls_the_sockets_itself_passes_which_are_ready),
		WORKER_TEST(a_worker_that_was_woken_and_is_full_wakes_another),
		WORKER_TEST(a_worker_that_was_woken_and_pauses_wakes_another),
		WORKER_TEST(a_worker_woken_by_another_polls_the_listening_sockets),
		WORKER_TEST(a_worker_that_cannot_wait_for_connections_pauses_and_tries_again),
		WORKER_TEST(a_worker_closes_its_copies_when_the_queues_are_said_to_be_empty),
		WORKER_TEST(
			a_stopped_unix_socket_is_closed_by_the_worker_that_found_its_queue_empty),
		WORKER_TEST(a_worker_that_replaces_another_looks_into_the_queues_itself),
		WORKER_TEST(without_clients_the_worker_ends_with_its_queues),
		WORKER_TEST(
			a_client_in_the_wait_queue_at_the_abort_gets_a_fin_and_the_linger_timeout),
		WORKER_TEST(an_aborted_worker_admits_no_client_and_ends_with_its_last),
		WORKER_TEST(a_lifeline_that_was_cut_does_not_wake_again_and_again),
		WORKER_TEST(a_worker_that_is_closed_has_opened_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
