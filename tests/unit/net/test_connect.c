/* SPDX-License-Identifier: MIT */
/* A connection, or the reason why it failed, by the deadline. */
#include "net/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "unit.h"

/* Long enough for what must succeed, and short for what must fail. */
#define TIMEOUT_NS (UNIT_TIMEOUT_S * CLOCK_NS_PER_S)
#define BRIEF_NS   (30 * CLOCK_NS_PER_MS)

/* Fault just before the next connect(2), or instead of the result. */
static enum { NOTHING, BIND_TO_TARGET, INTERRUPT } trick;

int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int on = 1;
	int now = (int)trick;
	trick = NOTHING;
	if (now == BIND_TO_TARGET) {
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
		assert_int_equal(bind(fd, address, size), 0);
	}
	int rc = __real_connect(fd, address, size);
	if (now == INTERRUPT) {
		assert_true(rc == 0 || errno == EINPROGRESS);
		errno = EINTR;
		return -1;
	}
	return rc;
}

static struct addr addr_of(const struct sockaddr_in *address)
{
	return (struct addr){ .len = sizeof(*address), .v4 = *address };
}

/* A loopback port without a listener: it was free just now. */
static struct addr dead_port(void)
{
	struct sockaddr_in address;
	close(unit_listen(1, &address));
	return addr_of(&address);
}

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

TEST(a_connection_is_closed_on_exec_prompt_and_keeps_urgent_data_in_line)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(8, &address);
	struct addr addr = addr_of(&address), peer;
	int fd = connect_open(&addr, NULL, clock_deadline_ns(TIMEOUT_NS));
	assert_true(fd >= 0);
	assert_true(unit_is_cloexec(fd));
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_OOBINLINE), 1);
	assert_int_equal(addr_of_peer(fd, &peer), 0);
	assert_true(addr_equal(&peer, &addr));
	close(fd);
	close(listen_fd);
}

TEST(a_dead_port_refuses_and_nothing_stays_open)
{
	size_t before = unit_open_descriptors();
	struct addr addr = dead_port();
	assert_int_equal(connect_open(&addr, NULL, clock_deadline_ns(TIMEOUT_NS)), -ECONNREFUSED);
	assert_int_equal(unit_open_descriptors(), before);
}

TEST(an_interrupted_connect_goes_on)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(8, &address);
	struct addr addr = addr_of(&address);
	trick = INTERRUPT;
	int fd = connect_open(&addr, NULL, clock_deadline_ns(TIMEOUT_NS));
	assert_true(fd >= 0);
	close(fd);
	close(listen_fd);
}

TEST(a_connection_to_itself_is_none)
{
	size_t before = unit_open_descriptors();
	struct addr addr = dead_port();
	trick = BIND_TO_TARGET; /* in its ephemeral range the kernel does this by chance */
	assert_int_equal(connect_open(&addr, NULL, clock_deadline_ns(TIMEOUT_NS)),
			 ERR_SELF_CONNECT);
	assert_int_equal(unit_open_descriptors(), before);
}

TEST(a_peer_that_does_not_answer_is_given_up_at_the_deadline)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(0, &address);
	struct addr addr = addr_of(&address);
	size_t before = unit_open_descriptors();
	/* The queue takes one or two connections, then the kernel does not answer a SYN. */
	int waiting[8], n = 0, fd;
	while ((fd = connect_open(&addr, NULL, clock_deadline_ns(BRIEF_NS))) >= 0) {
		assert_true(n < (int)ARRAY_LEN(waiting));
		waiting[n++] = fd;
	}
	assert_int_equal(fd, -ETIMEDOUT);
	while (n > 0)
		close(waiting[--n]);
	assert_int_equal(unit_open_descriptors(), before);

	assert_int_equal(connect_open(&addr, NULL, 0), -ETIMEDOUT);
	close(listen_fd);
}

TEST(a_family_that_there_is_not_is_an_error)
{
	struct addr addr = { .len = sizeof(struct sockaddr), .any = { .sa_family = 4242 } };
	assert_int_equal(connect_open(&addr, NULL, CLOCK_NEVER), -EAFNOSUPPORT);
}

/* ---- in two steps ---- */

static int await_outcome(int fd)
{
	struct pollfd outcome = { .fd = fd, .events = POLLOUT };
	assert_int_equal(poll(&outcome, 1, UNIT_TIMEOUT_S * 1000), 1);
	return connect_outcome(fd);
}

TEST(a_connection_may_begin_now_and_be_there_later)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(8, &address);
	struct addr addr = addr_of(&address), peer;
	int fd = connect_begin(&addr, NULL);
	assert_true(fd >= 0);
	assert_int_equal(await_outcome(fd), 0);
	assert_true(unit_is_cloexec(fd));
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(addr_of_peer(fd, &peer), 0);
	assert_true(addr_equal(&peer, &addr));
	close(fd);
	close(listen_fd);
}

TEST(it_may_come_from_another_address_of_ours)
{
	struct sockaddr_in address;
	int listen_fd = unit_listen(8, &address);
	struct addr addr = addr_of(&address), here;
	struct sockaddr_in from = unit_loopback(0);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8);
	struct addr source = addr_of(&from);
	int fd = connect_begin(&addr, &source);
	assert_true(fd >= 0);
	assert_int_equal(await_outcome(fd), 0);
	assert_int_equal(addr_of_socket(fd, &here), 0);
	assert_int_equal(here.v4.sin_addr.s_addr, from.sin_addr.s_addr);
	close(fd);
	close(listen_fd);
}

TEST(an_address_that_is_not_ours_is_an_error_and_nothing_stays_open)
{
	size_t before = unit_open_descriptors();
	struct addr addr = dead_port();
	struct sockaddr_in from = unit_loopback(0);
	from.sin_addr.s_addr = htonl(0xc0000207); /* 192.0.2.7 */
	struct addr source = addr_of(&from);
	assert_int_equal(connect_begin(&addr, &source), ERR_FOREIGN_SOURCE);
	assert_int_equal(unit_open_descriptors(), before);
}

TEST(a_refusal_is_the_outcome)
{
	struct addr addr = dead_port();
	int fd = connect_begin(&addr, NULL);
	assert_true(fd >= 0);
	assert_int_equal(await_outcome(fd), -ECONNREFUSED);
	close(fd);
}

TEST(a_connection_to_itself_is_an_outcome_too)
{
	struct addr addr = dead_port();
	trick = BIND_TO_TARGET;
	int fd = connect_begin(&addr, NULL);
	assert_true(fd >= 0);
	assert_int_equal(await_outcome(fd), ERR_SELF_CONNECT);
	close(fd);
}

/* ---- unix sockets ---- */

static struct addr unix_addr(const struct unit_directory *directory)
{
	struct addr addr = { .len = sizeof(addr.local), .local = { .sun_family = AF_UNIX } };
	strcpy(addr.local.sun_path, directory->path);
	strcat(addr.local.sun_path, "/echo");
	return addr;
}

TEST(a_path_connects_or_says_why_not)
{
	struct unit_directory directory = unit_directory_make();
	struct addr addr = unix_addr(&directory);
	assert_int_equal(connect_open(&addr, NULL, CLOCK_NEVER), -ENOENT);

	int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listen_fd, &addr.any, addr.len), 0);
	assert_int_equal(connect_open(&addr, NULL, CLOCK_NEVER), -ECONNREFUSED);

	assert_int_equal(listen(listen_fd, 8), 0);
	int fd = connect_open(&addr, NULL, CLOCK_NEVER);
	assert_true(fd >= 0);
	assert_true(unit_is_cloexec(fd));
	close(fd);
	close(listen_fd);
	unit_directory_remove(&directory);
}

TEST(a_full_queue_of_a_path_is_tried_again_until_the_deadline)
{
	struct unit_directory directory = unit_directory_make();
	struct addr addr = unix_addr(&directory);
	int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listen_fd, &addr.any, addr.len), 0);
	assert_int_equal(listen(listen_fd, 0), 0);

	int waiting[8], n = 0, fd;
	while ((fd = connect_open(&addr, NULL, clock_deadline_ns(BRIEF_NS))) >= 0) {
		assert_true(n < (int)ARRAY_LEN(waiting));
		waiting[n++] = fd;
	}
	assert_int_equal(fd, ERR_QUEUE_FULL);
	while (n > 0)
		close(waiting[--n]);
	close(listen_fd);
	unit_directory_remove(&directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_connection_is_closed_on_exec_prompt_and_keeps_urgent_data_in_line),
		cmocka_unit_test(a_dead_port_refuses_and_nothing_stays_open),
		cmocka_unit_test(an_interrupted_connect_goes_on),
		cmocka_unit_test(a_connection_to_itself_is_none),
		cmocka_unit_test(a_peer_that_does_not_answer_is_given_up_at_the_deadline),
		cmocka_unit_test(a_family_that_there_is_not_is_an_error),
		cmocka_unit_test(a_connection_may_begin_now_and_be_there_later),
		cmocka_unit_test(it_may_come_from_another_address_of_ours),
		cmocka_unit_test(an_address_that_is_not_ours_is_an_error_and_nothing_stays_open),
		cmocka_unit_test(a_refusal_is_the_outcome),
		cmocka_unit_test(a_connection_to_itself_is_an_outcome_too),
		cmocka_unit_test(a_path_connects_or_says_why_not),
		cmocka_unit_test(a_full_queue_of_a_path_is_tried_again_until_the_deadline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
