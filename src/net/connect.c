/* SPDX-License-Identifier: MIT */
#include "net/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/io.h"
#include "net/sockopt.h"

MUST_USE static int pending_outcome(int fd)
{
	int rc = io_pending_error(fd);
	/*
	 * From connect(2) it would be an error of this machine; as a pending error it came by
	 * ICMPv6.
	 */
	return rc == -EACCES ? ERR_FORBIDDEN : rc;
}

/* Waits for the outcome of a connect(2) that is in progress (EINPROGRESS). */
MUST_USE static int await_outcome(int fd, uint64_t deadline_ns)
{
	struct pollfd outcome = { .fd = fd, .events = POLLOUT };
	int ready = io_wait(&outcome, 1, deadline_ns);
	if (ready < 0)
		return ready;
	return ready == 0 ? -ETIMEDOUT : pending_outcome(fd);
}

/*
 * Returns false if this machine has no suitable local address. EADDRNOTAVAIL of connect(2) has two
 * meanings: no free local port, or no suitable local address. A UDP socket uses no TCP ports, so it
 * fails only for the second reason.
 */
static bool has_local_address(const struct addr *addr)
{
	int fd = socket(addr->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has = fd < 0 || connect(fd, &addr->any, addr->len) == 0 || errno != EADDRNOTAVAIL;
	io_close(&fd);
	return has;
}

/* Returns the code for an errno of connect(2). */
static int connect_error(const struct addr *addr, int saved_errno)
{
	if (saved_errno == EADDRNOTAVAIL && !has_local_address(addr))
		return ERR_NO_SOURCE;
	return addr_error(addr, saved_errno);
}

MUST_USE static int connect_to(int fd, const struct addr *addr, uint64_t deadline_ns)
{
	for (;;) {
		bool is_last = clock_now_ns() >= deadline_ns;
		if (connect(fd, &addr->any, addr->len) == 0)
			return 0;
		/*
		 * After EINTR the connect continues in the background; a second connect(2) would
		 * return EALREADY.
		 */
		if (errno == EINPROGRESS || errno == EINTR)
			return await_outcome(fd, deadline_ns);
		if (errno != EAGAIN || addr->any.sa_family != AF_UNIX)
			return connect_error(addr, errno);
		/* poll(2) cannot wait for room in the accept queue of a unix socket: retry. */
		if (is_last)
			return ERR_QUEUE_FULL;
		int rc = io_wait(NULL, 0, clock_deadline_ns(CONNECT_RETRY_NS));
		if (rc < 0)
			return rc;
	}
}

static bool is_connected_to_itself(int fd)
{
	struct addr here, there;
	return addr_of_socket(fd, &here) == 0 && addr_of_peer(fd, &there) == 0 &&
	       addr_port(&here) != 0 && addr_equal(&here, &there);
}

/* The port is chosen only at connect(2), so connections to different peers can share one. */
MUST_USE static int bind_to(int fd, const struct addr *source)
{
	static const struct socket_option late[] = { { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1 } };
	static const struct socket_option reuse[] = { { SOL_SOCKET, SO_REUSEADDR, 1 } };
	int rc = sockopt_set(fd, addr_port(source) != 0 ? reuse : late, 1);
	if (rc < 0 || bind(fd, &source->any, source->len) == 0)
		return rc;
	return errno == EADDRNOTAVAIL ? ERR_FOREIGN_SOURCE : addr_error(source, errno);
}

MUST_USE static int open_socket(int family, const struct connect_options *options)
{
	const struct socket_option buffer[] = {
		{ SOL_SOCKET, SO_RCVBUF, options->receive_buffer },
	};
	const struct socket_option fast_open[] = { { IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1 } };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, options->protocol);
	if (fd < 0)
		return -errno;
	int rc = sockopt_set_connection(fd, family);
	if (rc == -EOPNOTSUPP && options->protocol != 0)
		rc = 0; /* MPTCP does not have all of them */
	if (rc == 0 && options->receive_buffer != 0)
		rc = sockopt_set(fd, buffer, ARRAY_LEN(buffer));
	if (rc == 0 && options->fast_open)
		rc = sockopt_set(fd, fast_open, ARRAY_LEN(fast_open));
	if (rc == 0 && options->source != NULL)
		rc = bind_to(fd, options->source);
	if (rc == 0)
		return fd;
	io_close(&fd);
	return rc;
}

int connect_open(const struct addr *addr, const struct addr *source, uint64_t deadline_ns)
{
	int fd = open_socket(addr->any.sa_family, &(struct connect_options){ .source = source });
	if (fd < 0)
		return fd;
	int rc = connect_to(fd, addr, deadline_ns);
	if (rc == 0 && is_connected_to_itself(fd))
		rc = ERR_SELF_CONNECT;
	if (rc == 0)
		return fd;
	io_close(&fd);
	return rc;
}

int connect_begin(const struct addr *addr, const struct addr *source)
{
	return connect_begin_with(addr, &(struct connect_options){ .source = source });
}

int connect_begin_with(const struct addr *addr, const struct connect_options *options)
{
	int fd = open_socket(addr->any.sa_family, options);
	if (fd < 0 || connect(fd, &addr->any, addr->len) == 0 || errno == EINPROGRESS ||
	    errno == EINTR)
		return fd;
	int rc = connect_error(addr, errno);
	io_close(&fd);
	return rc;
}

int connect_outcome(int fd)
{
	int rc = pending_outcome(fd);
	return rc == 0 && is_connected_to_itself(fd) ? ERR_SELF_CONNECT : rc;
}
