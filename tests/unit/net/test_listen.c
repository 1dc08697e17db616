/* SPDX-License-Identifier: MIT */
/*
 * A listening socket passes on to every connection what it needs. It takes over the address of a
 * dead server only.
 */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "net/accept.h"
#include "net/io.h"
#include "net/sysinfo.h"
#include "unit.h"

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

/* Waits for a client and accepts it. */
static int accept_one(int listen_fd)
{
	struct pollfd ready = { .fd = listen_fd, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A listening socket on a free port of loopback, and its address. */
static int open_on_loopback(struct sockaddr_in *ret_address)
{
	struct addr addr = { .len = sizeof(addr.v4), .v4 = unit_loopback(0) };
	int fd = listen_open(&addr);
	assert_true(fd >= 0);
	assert_int_equal(addr_of_socket(fd, &addr), 0);
	*ret_address = addr.v4;
	return fd;
}

TEST(a_listening_socket_never_blocks_and_is_closed_on_exec)
{
	struct sockaddr_in address;
	int fd = open_on_loopback(&address);
	assert_true(unit_is_nonblocking(fd));
	assert_true(unit_is_cloexec(fd));
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	/* no other socket shares the port */
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 0);
	close(fd);
}

TEST(an_accepted_socket_inherits_what_every_connection_needs)
{
	static const struct {
		int level, name, value;
	} inherited[] = {
		{ SOL_SOCKET, SO_OOBINLINE, 1 },    { SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },    { IPPROTO_TCP, TCP_KEEPIDLE, 60 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 10 }, { IPPROTO_TCP, TCP_KEEPCNT, 6 },
	};
	struct sockaddr_in address;
	int listen_fd = open_on_loopback(&address);
	int client = unit_connect(&address);
	int fd = accept_one(listen_fd);
	for (size_t i = 0; i < ARRAY_LEN(inherited); i++)
		assert_int_equal(option_of(fd, inherited[i].level, inherited[i].name),
				 inherited[i].value);
	close(fd);
	close(client);
	close(listen_fd);
}

TEST(the_ipv6_wildcard_takes_ipv4_too)
{
	struct addr addr = addr_wildcard(AF_INET6, 0);
	int listen_fd = listen_open(&addr);
	if (listen_fd == -EAFNOSUPPORT || listen_fd == -EADDRNOTAVAIL)
		unit_skip("this machine has no IPv6");
	assert_true(listen_fd >= 0);
	assert_int_equal(addr_of_socket(listen_fd, &addr), 0);
	struct sockaddr_in address = unit_loopback(addr_port(&addr));
	int client = unit_connect(&address);
	close(accept_one(listen_fd));
	close(client);
	close(listen_fd);
}

TEST(a_port_in_use_is_refused_and_nothing_stays_open)
{
	struct sockaddr_in address;
	int fd = open_on_loopback(&address);
	size_t before = unit_open_descriptors();
	struct addr addr = { .len = sizeof(address), .v4 = address };
	assert_int_equal(listen_open(&addr), -EADDRINUSE);
	assert_int_equal(unit_open_descriptors(), before);
	close(fd);
}

TEST(an_address_of_another_machine_is_refused)
{
	struct addr addr = { .len = sizeof(addr.v4), .v4 = unit_loopback(0) };
	addr.v4.sin_addr.s_addr = inet_addr("198.51.100.1"); /* documentation address, RFC 5737 */
	assert_int_equal(listen_open(&addr), -EADDRNOTAVAIL);
}

TEST(a_restart_binds_though_old_connections_rest_in_time_wait)
{
	struct sockaddr_in address;
	int listen_fd = open_on_loopback(&address);
	int client = unit_connect(&address);
	int fd = accept_one(listen_fd);
	close(fd); /* the server closes first: TIME_WAIT is on its side */
	unit_read_end(client);
	close(client);
	close(listen_fd);

	struct addr addr = { .len = sizeof(address), .v4 = address };
	fd = listen_open(&addr);
	assert_true(fd >= 0);
	close(fd);
}

/* ---- the end of new connections ---- */

/* Starts a non-blocking connect: the SYN is sent. */
static int begin_to_connect(const struct addr *addr)
{
	int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	ignore_result(connect(fd, &addr->any, addr->len));
	return fd;
}

static bool is_answered(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	return poll(&ready, 1, 0) == 1;
}

/* Waits for the result of connect(2): returns 0, or -errno. */
static int try_to_connect(const struct addr *addr, int *ret_fd)
{
	struct pollfd ready = { .events = POLLOUT };
	*ret_fd = ready.fd =
		socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(*ret_fd >= 0);
	int rc = connect(*ret_fd, &addr->any, addr->len) == 0 ? 0 : -errno;
	if (rc != -EINPROGRESS)
		return rc;
	assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
	return io_pending_error(*ret_fd);
}

static struct addr loopback_of(int family, uint16_t port)
{
	struct addr addr = addr_wildcard(family, port);
	if (family == AF_INET)
		addr.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		addr.v6.sin6_addr = in6addr_loopback;
	return addr;
}

/* A listening socket of one family, and the families of the clients. */
static const struct stop_row {
	int family, by[2];
} stop_rows[] = {
	{ AF_INET, { AF_INET, AF_INET } },
	{ AF_INET6, { AF_INET6, AF_INET } },
};

static int listen_on_wildcard(const struct stop_row *row, uint16_t *ret_port)
{
	struct addr addr = addr_wildcard(row->family, 0), found;
	if (row->family == AF_INET6 && !sysinfo_has_ipv6())
		unit_skip("this machine has no IPv6");
	int fd = listen_open(&addr);
	assert_true(fd >= 0);
	assert_int_equal(addr_of_socket(fd, &found), 0);
	*ret_port = addr_port(&found);
	return fd;
}

TEST(once_stopped_queued_clients_can_be_accepted_and_new_ones_are_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(stop_rows); i++) {
		int clients[2], refused;
		uint16_t port;
		int fd = listen_on_wildcard(&stop_rows[i], &port);
		for (size_t k = 0; k < 2; k++) {
			struct addr addr = loopback_of(stop_rows[i].by[k], port);
			assert_int_equal(try_to_connect(&addr, &clients[k]), 0);
		}
		listen_stop(fd, stop_rows[i].family, false);
		listen_stop(fd, stop_rows[i].family, false);
		for (size_t k = 0; k < 2; k++) {
			struct addr addr = loopback_of(stop_rows[i].by[k], port);
			assert_int_equal(try_to_connect(&addr, &refused), -ECONNREFUSED);
			close(refused);
			unit_write(clients[k], "x", 1);
			int accepted = accept_one(fd);
			char byte;
			unit_read(accepted, &byte, 1);
			close(accepted);
			close(clients[k]);
		}
		close(fd);
	}
	listen_stop(-1, AF_INET, false); /* failure changes nothing */
}

TEST(a_passed_socket_admits_no_client_until_it_is_resumed)
{
	for (size_t i = 0; i < ARRAY_LEN(stop_rows); i++) {
		int late[2];
		uint16_t port;
		int fd = listen_on_wildcard(&stop_rows[i], &port);
		struct addr first = loopback_of(stop_rows[i].by[1], port);
		int queued;
		assert_int_equal(try_to_connect(&first, &queued), 0);
		listen_stop(fd, stop_rows[i].family, true);
		for (size_t k = 0; k < 2; k++) {
			struct addr addr = loopback_of(stop_rows[i].by[k], port);
			late[k] = begin_to_connect(&addr);
			assert_false(is_answered(late[k]));
			close(late[k]);
		}
		close(accept_one(fd));
		close(queued);
		listen_resume(fd, stop_rows[i].family);
		for (size_t k = 0; k < 2; k++) {
			struct addr addr = loopback_of(stop_rows[i].by[k], port);
			assert_int_equal(try_to_connect(&addr, &late[k]), 0);
			close(late[k]);
		}
		close(fd);
	}
}

/* As in a handshake that began before: the new socket inherits the TTL. */
TEST(a_socket_with_the_inherited_ttl_receives_after_its_release)
{
	for (size_t i = 0; i < ARRAY_LEN(stop_rows); i++) {
		for (size_t k = 0; k < 2; k++) {
			uint16_t port;
			int client, ttl = 255;
			char byte;
			int fd = listen_on_wildcard(&stop_rows[i], &port);
			struct addr addr = loopback_of(stop_rows[i].by[k], port);
			assert_int_equal(try_to_connect(&addr, &client), 0);
			int accepted = accept_one(fd);
			assert_int_equal(
				setsockopt(accepted, IPPROTO_IP, IP_MINTTL, &ttl, sizeof(ttl)), 0);
			if (stop_rows[i].family == AF_INET6)
				assert_int_equal(setsockopt(accepted, IPPROTO_IPV6,
							    IPV6_MINHOPCOUNT, &ttl, sizeof(ttl)),
						 0);
			unit_write(client, "x", 1);
			assert_int_equal(io_recv(accepted, &byte, 1), -EAGAIN);
			listen_release(accepted, stop_rows[i].family);
			assert_int_equal(poll(&(struct pollfd){ .fd = accepted, .events = POLLIN },
					      1, UNIT_TIMEOUT_S * 1000),
					 1); /* sent again */
			assert_int_equal(io_recv(accepted, &byte, 1), 1);
			close(accepted);
			close(client);
			close(fd);
		}
	}
}

TEST(a_queue_that_was_never_full_was_not_overrun)
{
	struct sockaddr_in address;
	int clients[3], fd = unit_listen(1, &address);
	struct addr addr = { .v4 = address, .len = sizeof(address) };
	assert_false(listen_was_overrun(fd));
	assert_int_equal(try_to_connect(&addr, &clients[0]), 0);
	assert_int_equal(try_to_connect(&addr, &clients[1]), 0); /* it holds one more */
	assert_false(listen_was_overrun(fd));
	clients[2] = begin_to_connect(&addr);
	UNIT_WAIT_UNTIL(listen_was_overrun(fd));
	assert_false(listen_was_overrun(-1));
	for (size_t i = 0; i < 3; i++)
		close(clients[i]);
	close(fd);
}

#define PORT_TRIES 100

TEST(a_socket_for_ipv6_alone_leaves_the_port_to_ipv4)
{
	int v4 = -EADDRINUSE;
	if (!sysinfo_has_ipv6())
		unit_skip("this machine has no IPv6");
	/* Another process may have the port for IPv4. */
	for (int i = 0; i < PORT_TRIES && v4 == -EADDRINUSE; i++) {
		struct addr addr = addr_wildcard(AF_INET6, 0);
		int v6 = listen_open_ipv6_only(&addr);
		assert_true(v6 >= 0);
		assert_int_equal(addr_of_socket(v6, &addr), 0);
		assert_false(listen_takes_ipv4(v6));
		addr = addr_wildcard(AF_INET, addr_port(&addr));
		v4 = listen_open(&addr);
		close(v6);
	}
	assert_true(v4 >= 0);
	close(v4);
}

TEST(the_wildcard_takes_ipv4)
{
	struct addr addr;
	int fd = listen_open_wildcard(0);
	assert_true(fd >= 0);
	assert_int_equal(addr_of_socket(fd, &addr), 0);
	assert_true(addr.any.sa_family == AF_INET || listen_takes_ipv4(fd));
	close(fd);
}

/* ---- several addresses ---- */

/* A name with two loopback addresses. */
static const struct addr_spec name_of_two = { .kind = ADDR_HOST };

static void two_addresses(struct addr list[2])
{
	list[0] = list[1] = (struct addr){ .len = sizeof(list[0].v4), .v4 = unit_loopback(0) };
	list[1].v4.sin_addr.s_addr = inet_addr("127.0.0.2");
}

TEST(all_addresses_of_a_name_have_one_port)
{
	struct addr list[2], found[2];
	int fds[ADDR_MAX_RESOLVED];
	two_addresses(list);
	assert_int_equal(listen_open_all(&name_of_two, list, 2, fds), 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(addr_of_socket(fds[i], &found[i]), 0);
	assert_int_equal(addr_port(&found[0]), addr_port(&found[1]));
	assert_false(addr_equal(&found[0], &found[1]));
	close(fds[0]);
	close(fds[1]);
}

TEST(if_one_address_cannot_be_had_none_is_open)
{
	struct addr list[2];
	int fds[ADDR_MAX_RESOLVED];
	two_addresses(list);
	int taken = listen_open(&list[1]);
	assert_int_equal(addr_of_socket(taken, &list[1]), 0);
	const struct addr_spec spec = { .kind = ADDR_HOST, .port = addr_port(&list[1]) };
	size_t before = unit_open_descriptors();
	assert_int_equal(listen_open_all(&spec, list, 2, fds), -EADDRINUSE);
	assert_int_equal(unit_open_descriptors(), before);
	close(taken);
}

/* ---- paths ---- */

static struct unit_directory directory;

static struct addr path_addr(const char *name)
{
	struct addr addr = { .len = sizeof(addr.local), .local = { .sun_family = AF_UNIX } };
	strcpy(addr.local.sun_path, directory.path);
	strcat(addr.local.sun_path, name);
	return addr;
}

static bool exists(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0;
}

static int make_directory(void **state)
{
	(void)state;
	directory = unit_directory_make();
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unit_directory_remove(&directory);
	return 0;
}

TEST(a_path_is_made_and_removed)
{
	struct addr addr = path_addr("/echo");
	int fd = listen_open(&addr);
	assert_true(fd >= 0);
	assert_true(unit_is_nonblocking(fd) && unit_is_cloexec(fd));
	assert_true(exists(addr.local.sun_path));
	assert_int_equal(listen_remove_path(&addr, listen_path_of(&addr)), 0);
	assert_false(exists(addr.local.sun_path));
	assert_int_equal(listen_remove_path(&addr, listen_path_of(&addr)),
			 0); /* another process was faster */
	close(fd);
}

TEST(a_path_that_a_dead_server_left_is_taken_over)
{
	struct addr addr = path_addr("/echo");
	close(listen_open(&addr));
	assert_true(exists(addr.local.sun_path));
	int fd = listen_open(&addr);
	assert_true(fd >= 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &addr.any, addr.len), 0);
	close(client);
	close(fd);
}

TEST(the_path_of_a_running_server_stays)
{
	struct addr addr = path_addr("/echo");
	int fd = listen_open(&addr);
	assert_int_equal(listen_open(&addr), -EADDRINUSE);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &addr.any, addr.len), 0);
	close(client);
	close(fd);
}

TEST(the_path_of_a_busy_server_stays)
{
	struct addr addr = path_addr("/echo");
	int fd = listen_open(&addr);
	assert_int_equal(listen(fd, 0), 0);
	int waiting[8], n = 0;
	do {
		assert_true(n < (int)ARRAY_LEN(waiting));
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (connect(waiting[n++], &addr.any, addr.len) == 0);
	assert_int_equal(listen_open(&addr), -EADDRINUSE);
	assert_true(exists(addr.local.sun_path));
	while (n > 0)
		close(waiting[--n]);
	close(fd);
}

TEST(a_file_at_the_path_is_never_touched)
{
	struct addr addr = path_addr("/file");
	int file = open(addr.local.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	close(file);
	int fd = listen_open(&addr);
	assert_int_equal(fd, -EADDRINUSE);
	assert_true(exists(addr.local.sun_path));
}

TEST(a_link_to_a_dead_socket_is_never_touched)
{
	struct addr dead = path_addr("/echo"), link = path_addr("/link");
	close(listen_open(&dead));
	assert_int_equal(symlink(dead.local.sun_path, link.local.sun_path), 0);
	assert_int_equal(listen_open(&link), -EADDRINUSE);
	assert_true(exists(link.local.sun_path) && exists(dead.local.sun_path));
}

TEST(a_path_that_another_process_made_meanwhile_stays)
{
	struct addr addr = path_addr("/echo");
	int fd = listen_open(&addr);
	struct listen_path made = listen_path_of(&addr);
	assert_int_equal(unlink(addr.local.sun_path), 0);
	int other = listen_open(&addr); /* another server, on the same path */
	assert_int_equal(listen_remove_path(&addr, made), 0);
	assert_true(exists(addr.local.sun_path));
	assert_int_equal(listen_remove_path(&addr, (struct listen_path){ 0 }), 0);
	assert_true(exists(addr.local.sun_path));
	close(fd);
	close(other);
}

TEST(a_directory_that_there_is_not_is_an_error)
{
	struct addr addr = path_addr("/missing/echo");
	assert_int_equal(listen_open(&addr), -ENOENT);
}

TEST(an_abstract_name_has_no_path_to_remove)
{
	struct addr addr = { .local = { .sun_family = AF_UNIX } };
	addr.len = sizeof(sa_family_t); /* the kernel chooses a name */
	int fd = listen_open(&addr);
	assert_true(fd >= 0);
	assert_int_equal(addr_of_socket(fd, &addr), 0);
	assert_int_equal(addr.local.sun_path[0], '\0');
	assert_int_equal(listen_open(&addr), -EADDRINUSE);
	assert_int_equal(listen_remove_path(&addr, listen_path_of(&addr)), 0);
	close(fd);
}

/* ---- a socket that we were given ---- */

TEST(a_socket_that_was_given_becomes_as_ours_are)
{
	struct sockaddr_in address;
	int fd = unit_listen(1, &address);
	assert_int_equal(fcntl(fd, F_SETFL, 0) | fcntl(fd, F_SETFD, 0), 0);
	assert_int_equal(listen_adopt(fd), 0);
	assert_true(unit_is_nonblocking(fd) && unit_is_cloexec(fd));
	int client = unit_connect(&address);
	int connected = accept_one(fd);
	assert_int_equal(option_of(connected, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(connected, SOL_SOCKET, SO_OOBINLINE), 1);
	assert_int_equal(option_of(connected, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(connected, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	close(connected);
	close(client);
	close(fd);
}

TEST(one_that_the_last_server_stopped_is_resumed_by_the_next)
{
	struct sockaddr_in address;
	int client, fd = unit_listen(16, &address);
	struct addr addr = { .v4 = address, .len = sizeof(address) };
	listen_stop(fd, AF_INET, true);
	client = begin_to_connect(&addr);
	assert_false(is_answered(client));
	close(client);
	assert_int_equal(listen_adopt(fd), 0);
	assert_int_equal(try_to_connect(&addr, &client), 0);
	close(client);
	close(fd);
}

TEST(a_unix_socket_that_is_stopped_refuses_and_gives_those_in_its_queue)
{
	struct addr addr = path_addr("/echo"), peer;
	int clients[2], fd = listen_open(&addr), accepted, code;
	assert_true(fd >= 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(try_to_connect(&addr, &clients[i]), 0);
	listen_stop(fd, AF_UNIX, false);
	int refused;
	assert_int_equal(try_to_connect(&addr, &refused), -ECONNREFUSED);
	close(refused);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(accept_client(fd, &accepted, &peer, &code), ACCEPT_GOT);
		close(accepted);
		close(clients[i]);
	}
	assert_int_equal(accept_client(fd, &accepted, &peer, &code), ACCEPT_NONE);
	close(fd);
	assert_int_equal(listen_remove_path(&addr, listen_path_of(&addr)), 0);
}

TEST(a_unix_socket_that_was_passed_takes_one_until_it_is_resumed)
{
	struct addr addr = path_addr("/echo"), peer;
	int clients[3], fd = listen_open(&addr), accepted, code;
	assert_true(fd >= 0);
	listen_stop(fd, AF_UNIX, true);
	assert_int_equal(try_to_connect(&addr, &clients[0]), 0);
	assert_int_equal(try_to_connect(&addr, &clients[1]), -EAGAIN);
	listen_resume(fd, AF_UNIX);
	assert_int_equal(try_to_connect(&addr, &clients[2]), 0);
	assert_int_equal(accept_client(fd, &accepted, &peer, &code), ACCEPT_GOT);
	close(accepted);
	for (size_t i = 0; i < 3; i++)
		close(clients[i]);
	close(fd);
	assert_int_equal(listen_remove_path(&addr, listen_path_of(&addr)), 0);
}

TEST(what_is_no_listening_stream_socket_is_not_adopted)
{
	int pair[2];
	unit_socket_pair(&pair[0], &pair[1]);
	const int wrong[] = {
		open("/dev/null", O_RDWR | O_CLOEXEC),
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		pair[0],
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_true(wrong[i] >= 0);
		assert_int_equal(listen_adopt(wrong[i]), ERR_NO_LISTENER);
		close(wrong[i]);
	}
	close(pair[1]);
	assert_int_equal(listen_adopt(pair[1]), -EBADF);
	int packets = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	assert_int_equal(bind(packets, (const void *)&any, sizeof(any.sun_family)), 0);
	assert_int_equal(listen(packets, 1), 0);
	assert_int_equal(listen_adopt(packets), ERR_NO_LISTENER);
	close(packets);
}

static void fail_to_remove(const void *argument)
{
	const struct addr *addr = argument;
	struct listen_path made = listen_path_of(addr);
	UNIT_CHILD_MUST(setuid(65534) == 0);
	UNIT_CHILD_MUST(listen_remove_path(addr, made) == -EACCES);
}

TEST(a_path_that_stays_is_an_error)
{
	if (geteuid() != 0)
		unit_skip("only root can become a user that may not remove the path");
	struct addr addr = { .len = sizeof(addr.local), .local = { .sun_family = AF_UNIX } };
	snprintf(addr.local.sun_path, sizeof(addr.local.sun_path), "%s/echo", directory.path);
	assert_int_equal(chmod(directory.path, 0755), 0);
	int fd = listen_open(&addr);
	assert_true(fd >= 0);
	unit_in_child(fail_to_remove, &addr);
	close(fd);
}

#define PATH_TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listening_socket_never_blocks_and_is_closed_on_exec),
		cmocka_unit_test(an_accepted_socket_inherits_what_every_connection_needs),
		cmocka_unit_test(the_ipv6_wildcard_takes_ipv4_too),
		cmocka_unit_test(a_socket_for_ipv6_alone_leaves_the_port_to_ipv4),
		cmocka_unit_test(the_wildcard_takes_ipv4),
		cmocka_unit_test(all_addresses_of_a_name_have_one_port),
		cmocka_unit_test(if_one_address_cannot_be_had_none_is_open),
		cmocka_unit_test(a_port_in_use_is_refused_and_nothing_stays_open),
		cmocka_unit_test(an_address_of_another_machine_is_refused),
		cmocka_unit_test(a_restart_binds_though_old_connections_rest_in_time_wait),
		cmocka_unit_test(
			once_stopped_queued_clients_can_be_accepted_and_new_ones_are_refused),
		cmocka_unit_test(a_passed_socket_admits_no_client_until_it_is_resumed),
		cmocka_unit_test(a_socket_with_the_inherited_ttl_receives_after_its_release),
		cmocka_unit_test(a_queue_that_was_never_full_was_not_overrun),
		cmocka_unit_test(a_socket_that_was_given_becomes_as_ours_are),
		cmocka_unit_test(one_that_the_last_server_stopped_is_resumed_by_the_next),
		cmocka_unit_test(what_is_no_listening_stream_socket_is_not_adopted),
		PATH_TEST(a_unix_socket_that_is_stopped_refuses_and_gives_those_in_its_queue),
		PATH_TEST(a_unix_socket_that_was_passed_takes_one_until_it_is_resumed),
		PATH_TEST(a_path_is_made_and_removed),
		PATH_TEST(a_path_that_a_dead_server_left_is_taken_over),
		PATH_TEST(the_path_of_a_running_server_stays),
		PATH_TEST(the_path_of_a_busy_server_stays),
		PATH_TEST(a_file_at_the_path_is_never_touched),
		PATH_TEST(a_link_to_a_dead_socket_is_never_touched),
		PATH_TEST(a_path_that_another_process_made_meanwhile_stays),
		PATH_TEST(a_directory_that_there_is_not_is_an_error),
		PATH_TEST(a_path_that_stays_is_an_error),
		cmocka_unit_test(an_abstract_name_has_no_path_to_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
