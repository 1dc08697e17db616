/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets are closed when no connection can be in their accept queues any more: not while
 * a handshake may still finish, not while a connection is queued, not because the queue was empty
 * once.
 */
#include "server/listen_drain.h"

#include <stdatomic.h>
#include <unistd.h>

#include "net/io.h"
#include "unit.h"

#define NOBODY 0

static struct listeners listeners;
static struct listen_drain drain;
static _Atomic int listen_state;
static struct sockaddr_in address;
static uint64_t now_ns;

/* The test sets the time. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	(void)clock;
	ret_time->tv_sec = (time_t)(now_ns / CLOCK_NS_PER_S);
	ret_time->tv_nsec = (long)(now_ns % CLOCK_NS_PER_S);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	listeners = (struct listeners){ .n = 1 };
	drain = (struct listen_drain){ 0 };
	listen_state = LISTEN_DRAIN_SERVING;
	now_ns = 1000 * CLOCK_NS_PER_S;
	struct listener *listener = &listeners.list[0];
	listener->fd = unit_listen(1, &address);
	return addr_of_socket(listener->fd, &listener->addr);
}

static int end(void **state)
{
	(void)state;
	listeners_close(&listeners);
	return 0;
}

/* Makes the address look reachable from other machines. */
static void make_remote(void)
{
	listeners.list[0].addr.v4.sin_addr.s_addr = INADDR_ANY;
}

static void start(void)
{
	listen_drain_begin(&drain, &listeners, &listen_state);
	assert_int_equal(atomic_load(&listen_state), LISTEN_DRAIN_STOPPED);
}

static bool is_empty(void)
{
	return listen_drain_is_empty(&drain, &listeners, NOBODY);
}

static void accept_one(void)
{
	int fd = accept4(listeners.list[0].fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
}

static void assert_settles_after(uint64_t settle_ns)
{
	uint64_t start_ns = now_ns;
	assert_int_equal(listen_drain_deadline_ns(&drain), CLOCK_NEVER);
	start();
	assert_false(is_empty());
	assert_true(listen_drain_deadline_ns(&drain) == start_ns + settle_ns);
	now_ns = start_ns + settle_ns - 1;
	start(); /* once is enough */
	assert_false(is_empty());
	now_ns = start_ns + settle_ns;
	assert_true(is_empty());
	drain.is_over = true;
	assert_int_equal(listen_drain_deadline_ns(&drain), CLOCK_NEVER);
}

TEST(handshakes_have_about_a_round_trip)
{
	make_remote();
	assert_settles_after(LISTEN_DRAIN_SETTLE_NS);
}

TEST(handshakes_within_the_machine_have_less)
{
	assert_settles_after(LISTEN_DRAIN_SETTLE_LOCAL_NS);
}

TEST(the_slowest_of_several_sockets_counts)
{
	listeners.list[1] = listeners.list[0];
	listeners.list[1].fd = dup(listeners.list[0].fd);
	listeners.n = 2;
	make_remote();
	assert_settles_after(LISTEN_DRAIN_SETTLE_NS);
}

TEST(a_queued_client_is_waited_for)
{
	int client = unit_connect(&address);
	start();
	for (int i = 0; i < 100; i++) {
		now_ns += CLOCK_NS_PER_S;
		assert_false(is_empty());
		assert_true(listen_drain_deadline_ns(&drain) == now_ns + LISTEN_DRAIN_POLL_NS);
	}
	accept_one();
	assert_true(is_empty());
	assert_true(is_empty());
	close(client);
}

TEST(a_closed_socket_is_no_matter)
{
	listener_close(&listeners.list[0]);
	start();
	assert_true(is_empty());
}

/*
 * Such clients take themselves for connected, and the kernel sends the SYN-ACK again after a second
 * at first.
 */
TEST(a_client_that_found_the_queue_full_has_time_to_try_again)
{
	int clients[3];
	clients[0] = unit_connect(&address);
	clients[1] = unit_connect(&address);
	clients[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ignore_result(connect(clients[2], (const void *)&address, sizeof(address)));
	UNIT_WAIT_UNTIL(listen_was_overrun(listeners.list[0].fd));
	start();
	now_ns += 3 * CLOCK_NS_PER_S;
	assert_false(is_empty());
	accept_one();
	accept_one();
	assert_false(is_empty());
	now_ns += 3 * CLOCK_NS_PER_S + LISTEN_DRAIN_OVERRUN_NS - 1;
	assert_false(is_empty());
	now_ns += 1;
	assert_true(is_empty());
	for (size_t i = 0; i < 3; i++)
		close(clients[i]);
}

static void listen_on_unix_socket(bool is_passed)
{
	struct listener *listener = &listeners.list[0];
	struct addr any = { .len = sizeof(sa_family_t), .local = { .sun_family = AF_UNIX } };
	close(listener->fd);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	listener->is_passed = is_passed;
	assert_int_equal(bind(listener->fd, &any.any, any.len), 0);
	assert_int_equal(listen(listener->fd, 4), 0);
	assert_int_equal(addr_of_socket(listener->fd, &listener->addr), 0);
}

static int connect_by_unix_socket(void)
{
	const struct addr *addr = &listeners.list[0].addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, &addr->any, addr->len), 0);
	return fd;
}

TEST(of_a_unix_socket_it_is_known_whether_the_queue_was_empty_before_the_stop)
{
	listen_on_unix_socket(false);
	start();
	assert_int_equal(drain.was_empty, 1);
	assert_false(is_empty()); /* a connection may have come between the check and the stop */
}

TEST(another_process_reports_when_the_queue_of_a_unix_socket_is_empty)
{
	listen_on_unix_socket(false);
	int client = connect_by_unix_socket();
	start();
	accept_one();
	assert_int_equal(drain.was_empty, 0);
	assert_false(is_empty());
	assert_true(listen_drain_is_empty(&drain, &listeners, 1));
	close(client);
}

TEST(a_unix_socket_that_was_passed_shows_it_itself)
{
	listen_on_unix_socket(true);
	int client = connect_by_unix_socket();
	start();
	assert_false(is_empty());
	accept_one();
	assert_true(is_empty());
	close(client);
}

#define DRAIN_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DRAIN_TEST(handshakes_have_about_a_round_trip),
		DRAIN_TEST(handshakes_within_the_machine_have_less),
		DRAIN_TEST(the_slowest_of_several_sockets_counts),
		DRAIN_TEST(a_queued_client_is_waited_for),
		DRAIN_TEST(a_closed_socket_is_no_matter),
		DRAIN_TEST(a_client_that_found_the_queue_full_has_time_to_try_again),
		DRAIN_TEST(
			of_a_unix_socket_it_is_known_whether_the_queue_was_empty_before_the_stop),
		DRAIN_TEST(another_process_reports_when_the_queue_of_a_unix_socket_is_empty),
		DRAIN_TEST(a_unix_socket_that_was_passed_shows_it_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
