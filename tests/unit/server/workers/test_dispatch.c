/* SPDX-License-Identifier: MIT */
/* Connections that the supervisor passes to a worker: none is lost, and none comes twice. */
#include "server/workers/dispatch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "unit.h"

#define MOST 1000

static struct client_table table;
static struct dispatch dispatch;

static int begin(void **state)
{
	(void)state;
	int rc = client_table_open(&table, MOST, sizeof(struct client));
	return rc < 0 ? rc : dispatch_open(&dispatch, &table);
}

static int end(void **state)
{
	(void)state;
	dispatch_close(&dispatch);
	client_table_close(&table);
	return 0;
}

/* A client of 192.0.2.N with its own socket, whose other end is *ret_theirs. */
static struct client *enter(unsigned int n, int *ret_theirs)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 + n);
	struct peer peer = peer_of(-1, &addr);
	struct client *client = client_table_add(&table, &peer, 0);
	assert_non_null(client);
	unit_socket_pair(&client->fd, ret_theirs);
	return client;
}

TEST(a_client_that_was_passed_on_is_the_takers_alone)
{
	int theirs, fd, code;
	struct dispatch_message message = { 0 };
	struct client *client = enter(7, &theirs);
	assert_int_equal(dispatch_send(&dispatch, client), 0);
	assert_int_equal(client->fd, -1);
	assert_int_equal(dispatch_receive(dispatch.receiver_fd, &message, &fd, &code), ACCEPT_GOT);
	assert_int_equal(message.ticket, client_table_ticket(&table, client));
	assert_string_equal(peer_name(&message.peer).text, "192.0.2.7:51334");
	close(fd); /* the last copy: the client gets its FIN */
	unit_read_end(theirs);
	close(theirs);
}

TEST(without_a_client_there_is_nothing_to_take_and_no_ticket)
{
	int fd, code;
	struct dispatch_message message = { .ticket = 4711 };
	assert_int_equal(dispatch_receive(dispatch.receiver_fd, &message, &fd, &code), ACCEPT_NONE);
	assert_int_equal(message.ticket, 0);
}

TEST(a_full_channel_refuses_and_leaves_the_client_its_socket)
{
	static int theirs[MOST];
	struct client *client;
	int n = 0, rc = 0;
	while (rc == 0) {
		assert_true(n < MOST);
		client = enter(7, &theirs[n++]);
		rc = dispatch_send(&dispatch, client);
	}
	assert_int_equal(rc, -EBUSY);
	assert_true(dispatch.is_full);
	assert_true(unit_is_open(client->fd));
	close(client->fd);
	while (n > 0)
		close(theirs[--n]);
}

static void take_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit none = { 0 };
	struct dispatch_message message = { 0 };
	int fd, code;
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	enum accept_verdict verdict = dispatch_receive(dispatch.receiver_fd, &message, &fd, &code);
	UNIT_CHILD_MUST(verdict == ACCEPT_PAUSE && code == -EMFILE && message.ticket == 0);
}

TEST(a_taker_without_descriptors_pauses_and_leaves_the_client_to_another)
{
	int theirs, fd, code;
	struct dispatch_message message = { 0 };
	assert_int_equal(dispatch_send(&dispatch, enter(7, &theirs)), 0);
	unit_in_child(take_without_descriptors, NULL);
	assert_int_equal(dispatch_receive(dispatch.receiver_fd, &message, &fd, &code), ACCEPT_GOT);
	close(fd);
	close(theirs);
}

TEST(a_worker_has_the_receiving_end_in_place_of_its_listening_sockets)
{
	struct sockaddr_in address;
	struct listeners listeners = { .list = { { .fd = unit_listen(8, &address) } }, .n = 1 };
	int listening = listeners.list[0].fd;
	dispatch_replace_listeners(&dispatch, &listeners);
	assert_int_equal(listeners.n, 1);
	assert_int_equal(listeners.list[0].fd, dispatch.receiver_fd);
	assert_true(listeners.list[0].is_dispatch);
	assert_int_equal(dispatch.sender_fd, -1);
	assert_false(unit_is_open(listening));
}

#define DISPATCH_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISPATCH_TEST(a_client_that_was_passed_on_is_the_takers_alone),
		DISPATCH_TEST(without_a_client_there_is_nothing_to_take_and_no_ticket),
		DISPATCH_TEST(a_full_channel_refuses_and_leaves_the_client_its_socket),
		DISPATCH_TEST(a_taker_without_descriptors_pauses_and_leaves_the_client_to_another),
		DISPATCH_TEST(a_worker_has_the_receiving_end_in_place_of_its_listening_sockets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
