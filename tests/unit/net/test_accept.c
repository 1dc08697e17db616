/* SPDX-License-Identifier: MIT */
/*
 * Every error of accept(2) has its verdict: no error that concerns one client ends the service, and
 * no error that lasts makes the server spin.
 */
#include "net/accept.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/io.h"
#include "net/listen.h"
#include "unit.h"

/* Linux has 1..133; some numbers between are free. */
#define LAST_ERRNO EHWPOISON

static const struct {
	int error;
	enum accept_verdict verdict;
} verdicts[] = {
	/* the queue is empty */
	{ EAGAIN, ACCEPT_NONE },
	{ EWOULDBLOCK, ACCEPT_NONE },

	/* a signal, or a failure of one client */
	{ EINTR, ACCEPT_NEXT },
	{ ECONNABORTED, ACCEPT_NEXT },
	{ ECONNREFUSED, ACCEPT_NEXT },
	{ ECONNRESET, ACCEPT_NEXT },
	{ EHOSTDOWN, ACCEPT_NEXT },
	{ EHOSTUNREACH, ACCEPT_NEXT },
	{ ENETDOWN, ACCEPT_NEXT },
	{ ENETUNREACH, ACCEPT_NEXT },
	{ ENONET, ACCEPT_NEXT },
	{ ENOPROTOOPT, ACCEPT_NEXT },
	{ ENOTCONN, ACCEPT_NEXT },
	{ EOPNOTSUPP, ACCEPT_NEXT },
	{ EPERM, ACCEPT_NEXT },
	{ EPIPE, ACCEPT_NEXT },
	{ EPROTO, ACCEPT_NEXT },
	{ ETIMEDOUT, ACCEPT_NEXT },

	/* the machine is short of a resource, and the client is still queued */
	{ EMFILE, ACCEPT_PAUSE },
	{ ENFILE, ACCEPT_PAUSE },
	{ ENOBUFS, ACCEPT_PAUSE },
	{ ENOMEM, ACCEPT_PAUSE },
	{ ENOSR, ACCEPT_PAUSE },

	/* errors that some kernels return according to accept(2), and unexpected ones */
	{ ESOCKTNOSUPPORT, ACCEPT_PAUSE },
	{ EPROTONOSUPPORT, ACCEPT_PAUSE },
	{ EACCES, ACCEPT_PAUSE },
	{ EIO, ACCEPT_PAUSE },
	{ 512, ACCEPT_PAUSE }, /* ERESTARTSYS, which a traced process may see */
	{ 4095, ACCEPT_PAUSE },

	/* not a listening socket */
	{ EBADF, ACCEPT_LOST },
	{ EFAULT, ACCEPT_LOST },
	{ EINVAL, ACCEPT_LOST },
	{ ENOTSOCK, ACCEPT_LOST },
};

TEST(every_errno_of_accept_has_its_verdict)
{
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		enum accept_verdict verdict = accept_judge(-verdicts[i].error);
		if (verdict != verdicts[i].verdict)
			fail_msg("%s gave %s", strerrorname_np(verdicts[i].error),
				 accept_verdict_name(verdict));
	}
}

/* Returns the table's verdict on an errno; an unknown error is a pause. */
static enum accept_verdict expected_of(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		if (verdicts[i].error == error)
			return verdicts[i].verdict;
	}
	return ACCEPT_PAUSE;
}

TEST(every_other_errno_is_a_reason_to_pause)
{
	for (int error = 1; error <= LAST_ERRNO; error++)
		assert_int_equal(accept_judge(-error), expected_of(error));
}

TEST(what_is_no_error_is_a_client)
{
	assert_int_equal(accept_judge(0), ACCEPT_GOT);
	assert_int_equal(accept_judge(3), ACCEPT_GOT);
}

TEST(verdicts_have_names)
{
	assert_string_equal(accept_verdict_name(ACCEPT_GOT), "got");
	assert_string_equal(accept_verdict_name(ACCEPT_NONE), "none");
	assert_string_equal(accept_verdict_name(ACCEPT_NEXT), "next");
	assert_string_equal(accept_verdict_name(ACCEPT_PAUSE), "pause");
	assert_string_equal(accept_verdict_name(ACCEPT_LOST), "lost");
}

/* ---- on real sockets ---- */

/* Waits until a client is in the queue, then accepts it. */
static enum accept_verdict take(int listen_fd, int *ret_fd, struct addr *ret_peer)
{
	struct pollfd ready = { .fd = listen_fd, .events = POLLIN };
	int code = 0;
	assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
	return accept_client(listen_fd, ret_fd, ret_peer, &code);
}

TEST(an_empty_queue_gives_no_client_and_changes_nothing)
{
	struct sockaddr_in address;
	struct addr peer = { .len = 7 };
	int fd = 77, code = 5;
	int listen_fd = unit_listen(8, &address);
	assert_int_equal(accept_client(listen_fd, &fd, &peer, &code), ACCEPT_NONE);
	assert_int_equal(fd, 77);
	assert_int_equal(peer.len, 7);
	assert_int_equal(code, 5);
	close(listen_fd);
}

TEST(a_client_is_a_socket_closed_on_exec_and_an_address)
{
	struct sockaddr_in address;
	struct addr peer, own;
	int listen_fd = unit_listen(8, &address);
	int client = unit_connect(&address);
	int fd = -1;
	assert_int_equal(take(listen_fd, &fd, &peer), ACCEPT_GOT);
	assert_true(unit_is_cloexec(fd));
	assert_int_equal(addr_of_socket(client, &own), 0);
	assert_true(addr_equal(&peer, &own));
	close(fd);
	close(client);
	close(listen_fd);
}

TEST(a_client_that_reset_while_it_waited_still_has_its_address)
{
	struct sockaddr_in address;
	struct addr peer, own, none;
	int listen_fd = unit_listen(8, &address);
	int client = unit_connect(&address);
	assert_int_equal(addr_of_socket(client, &own), 0);
	unit_reset(client);

	int fd = -1;
	assert_int_equal(take(listen_fd, &fd, &peer), ACCEPT_GOT);
	assert_true(addr_equal(&peer, &own));
	assert_int_equal(addr_of_peer(fd, &none), -ENOTCONN);
	close(fd);
	close(listen_fd);
}

TEST(an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client)
{
	struct addr here = addr_wildcard(AF_INET6, 0), peer;
	int off = 0;
	int listen_fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listen_fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(listen_fd, &here.any, here.len) < 0)
		unit_skip("this machine has no IPv6");
	assert_int_equal(listen(listen_fd, 8), 0);
	assert_int_equal(addr_of_socket(listen_fd, &here), 0);

	struct sockaddr_in address = unit_loopback(addr_port(&here));
	int client = unit_connect(&address), fd = -1;
	assert_int_equal(take(listen_fd, &fd, &peer), ACCEPT_GOT);
	assert_int_equal(peer.any.sa_family, AF_INET);
	assert_memory_equal(addr_format(&peer).text, "127.0.0.1:", 10);
	close(fd);
	close(client);
	close(listen_fd);
}

TEST(a_client_of_a_unix_socket_has_no_address_but_its_family)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct addr peer;
	int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* Autobind: the kernel chooses a free abstract name (unix(7)). */
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listen_fd, 8), 0);
	socklen_t size = sizeof(address);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&address, &size), 0);

	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;
	assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
	assert_int_equal(take(listen_fd, &fd, &peer), ACCEPT_GOT);
	assert_true(unit_is_cloexec(fd));
	assert_int_equal(peer.any.sa_family, AF_UNIX);
	close(fd);
	close(client);
	close(listen_fd);
}

static void expect_recv_timeout(struct addr address)
{
	struct addr bound, peer;
	int listen_fd = listen_open(&address);
	assert_true(listen_fd >= 0);
	assert_int_equal(addr_of_socket(listen_fd, &bound), 0);
	int client = socket(bound.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;
	assert_int_equal(connect(client, &bound.any, bound.len), 0);
	assert_int_equal(take(listen_fd, &fd, &peer), ACCEPT_GOT);

	struct timeval limit;
	socklen_t size = sizeof(limit);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size), 0);
	assert_int_equal(limit.tv_sec, LISTEN_RETRY_NS / CLOCK_NS_PER_S);
	assert_int_equal(limit.tv_usec, LISTEN_RETRY_NS % CLOCK_NS_PER_S / 1000);
	char got;
	assert_int_equal(io_recv_wait(fd, &got, 1), -EAGAIN);
	unit_write(client, "x", 1);
	assert_int_equal(io_recv_wait(fd, &got, 1), 1);
	close(fd);
	close(client);
	close(listen_fd);
}

TEST(a_receive_from_a_client_does_not_wait_for_ever)
{
	struct addr unix_address = { .local = { .sun_family = AF_UNIX },
				     .len = sizeof(sa_family_t) };
	expect_recv_timeout(addr_wildcard(AF_INET, 0));
	expect_recv_timeout(unix_address); /* bound to a free name */
}

TEST(what_is_no_listening_socket_is_lost_and_says_why)
{
	struct addr peer;
	int one, other, fd = 77, code = 0;
	assert_int_equal(accept_client(-1, &fd, &peer, &code), ACCEPT_LOST);
	assert_int_equal(code, -EBADF);
	unit_socket_pair(&one, &other);
	assert_int_equal(accept_client(one, &fd, &peer, &code), ACCEPT_LOST);
	assert_int_equal(code, -EINVAL);
	close(one);
	close(other);
	assert_int_equal(fd, 77);
}

static void accept_without_descriptors(const void *argument)
{
	const int *listen_fd = argument;
	struct rlimit limit = { .rlim_cur = 0, .rlim_max = 0 };
	struct addr peer;
	int fd, code = 0;
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	UNIT_CHILD_MUST(accept_client(*listen_fd, &fd, &peer, &code) == ACCEPT_PAUSE);
	UNIT_CHILD_MUST(code == -EMFILE);
}

TEST(no_descriptor_is_a_pause_and_the_client_stays_in_the_queue)
{
	struct sockaddr_in address;
	struct addr peer;
	int listen_fd = unit_listen(8, &address);
	int client = unit_connect(&address), fd = -1;
	unit_in_child(accept_without_descriptors, &listen_fd);
	assert_int_equal(take(listen_fd, &fd, &peer), ACCEPT_GOT);
	close(fd);
	close(client);

	/* The limit is checked before the queue: the result is the same with an empty queue. */
	unit_in_child(accept_without_descriptors, &listen_fd);
	close(listen_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_errno_of_accept_has_its_verdict),
		cmocka_unit_test(every_other_errno_is_a_reason_to_pause),
		cmocka_unit_test(what_is_no_error_is_a_client),
		cmocka_unit_test(verdicts_have_names),
		cmocka_unit_test(an_empty_queue_gives_no_client_and_changes_nothing),
		cmocka_unit_test(a_client_is_a_socket_closed_on_exec_and_an_address),
		cmocka_unit_test(a_client_that_reset_while_it_waited_still_has_its_address),
		cmocka_unit_test(an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client),
		cmocka_unit_test(a_client_of_a_unix_socket_has_no_address_but_its_family),
		cmocka_unit_test(a_receive_from_a_client_does_not_wait_for_ever),
		cmocka_unit_test(what_is_no_listening_socket_is_lost_and_says_why),
		cmocka_unit_test(no_descriptor_is_a_pause_and_the_client_stays_in_the_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
