/* SPDX-License-Identifier: MIT */
/*
 * A client that is turned away gets a FIN and no reset, whatever it still sends. The list of
 * lingering sockets has a limit in number and time.
 */
#include "server/linger.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "net/io.h"
#include "unit.h"

#define LONG_NS (1000 * CLOCK_NS_PER_S)

static struct linger_list linger;
static struct sockaddr_in address;
static int listen_fd;

static int begin(void **state)
{
	(void)state;
	listen_fd = unit_listen(16, &address);
	linger_setup(&linger, 8 * LINGER_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	linger_close_all(&linger);
	close(listen_fd);
	return 0;
}

/* Turns a new client away, and returns the client's socket. */
static int turn_away(const void *said, size_t size)
{
	int client = unit_connect(&address);
	unit_write(client, said, size);
	struct pollfd ready = { .fd = listen_fd, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	linger_add(&linger, fd);
	return client;
}

/* Makes the next check due now. */
static void look(uint64_t longest_ns)
{
	linger.next_read_ns = clock_now_ns();
	linger_check_time(&linger, longest_ns);
}

TEST(a_client_that_still_sends_is_not_reset)
{
	static const char bytes[100000];
	int client = turn_away("first", 5);
	assert_int_equal(linger.n, 1);
	for (int i = 0; i < 20; i++) {
		for (size_t sent = 0; sent < sizeof(bytes);) {
			ssize_t n = io_send(client, bytes + sent, sizeof(bytes) - sent);
			if (n == -EAGAIN)
				look(LONG_NS);
			assert_true(n > 0 || n == -EAGAIN);
			sent += n > 0 ? (size_t)n : 0;
		}
	}
	unit_read_end(client);
	assert_int_equal(io_pending_error(client), 0);
	close(client);
	for (int i = 0; i < UNIT_TIMEOUT_S * 1000 && linger.n > 0; i++) {
		look(LONG_NS);
		unit_sleep_ms(1);
	}
	assert_int_equal(linger.n, 0);
}

TEST(a_client_that_has_ended_too_is_closed_at_once)
{
	int client = unit_connect(&address);
	unit_write(client, "all", 3);
	assert_int_equal(io_send_end(client), 0);
	struct pollfd ready = { .fd = listen_fd, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	ready.fd = fd;
	ready.events = POLLRDHUP;
	assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
	linger_add(&linger, fd);
	assert_int_equal(linger.n, 0);
	assert_false(unit_is_open(fd));
	unit_read_end(client);
	close(client);
}

TEST(there_is_a_next_poll_while_a_client_lingers)
{
	assert_int_equal(linger_deadline_ns(&linger), CLOCK_NEVER);
	linger_check_time(&linger, LONG_NS);
	int client = turn_away("", 0);
	assert_true(linger_deadline_ns(&linger) <= clock_now_ns() + LINGER_READ_NS);
	look(LONG_NS);
	assert_int_equal(linger.n, 1);
	assert_true(linger_deadline_ns(&linger) <= clock_now_ns() + LINGER_READ_NS);
	look(0);
	assert_int_equal(linger.n, 0);
	assert_int_equal(linger_deadline_ns(&linger), CLOCK_NEVER);
	close(client);
}

TEST(what_has_come_is_read_before_the_time_of_a_client_is_over)
{
	static const char while_it_was_stopped[100000];
	int client = turn_away("", 0);
	unit_write(client, while_it_was_stopped, sizeof(while_it_was_stopped));
	look(0);
	assert_int_equal(linger.n, 0);
	unit_read_end(client);
	assert_int_equal(io_pending_error(client), 0);
	close(client);
}

TEST(without_room_the_oldest_one_goes)
{
	int clients[4];
	linger.n_max = 3;
	for (size_t i = 0; i < 3; i++) {
		assert_true(linger_has_room(&linger));
		clients[i] = turn_away("", 0);
		unit_sleep_ms(1);
	}
	assert_false(linger_has_room(&linger));
	int oldest = linger.list[0].fd;
	clients[3] = turn_away("", 0);
	assert_int_equal(linger.n, 3);
	for (size_t i = 0; i < linger.n; i++)
		assert_int_not_equal(linger.list[i].fd, oldest);
	for (size_t i = 0; i < 4; i++) {
		unit_read_end(clients[i]);
		close(clients[i]);
	}
	linger_close_all(&linger);
	assert_false(linger_close_oldest(&linger));
}

TEST(a_list_without_places_only_reads_what_has_come)
{
	linger_setup(&linger, LINGER_SHARE_OF_DESCRIPTORS - 1);
	int client = turn_away("first", 5);
	assert_int_equal(linger.n, 0);
	unit_read_end(client);
	close(client);
}

TEST(all_of_them_get_their_turn_though_one_sends_without_end)
{
	static const char bytes[16 * 1024];
	int loud = turn_away("", 0), quiet = turn_away("", 0);
	close(quiet);
	for (int i = 0; i < UNIT_TIMEOUT_S * 1000 && linger.n > 1; i++) {
		while (io_send(loud, bytes, sizeof(bytes)) > 0)
			;
		look(LONG_NS);
		unit_sleep_ms(1);
	}
	assert_int_equal(linger.n, 1);
	close(loud);
}

#define LINGER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINGER_TEST(a_client_that_still_sends_is_not_reset),
		LINGER_TEST(a_client_that_has_ended_too_is_closed_at_once),
		LINGER_TEST(there_is_a_next_poll_while_a_client_lingers),
		LINGER_TEST(what_has_come_is_read_before_the_time_of_a_client_is_over),
		LINGER_TEST(without_room_the_oldest_one_goes),
		LINGER_TEST(a_list_without_places_only_reads_what_has_come),
		LINGER_TEST(all_of_them_get_their_turn_though_one_sends_without_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
