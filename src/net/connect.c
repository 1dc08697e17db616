/* SPDX-License-Identifier: MIT */
#include "net/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/io.h"
#include "net/options.h"

/* Between two attempts to get into the full queue of a unix listening socket. */
#define UNIX_RETRY_NS (20 * CLOCK_NS_PER_MS)

MUST_USE static int pending_outcome(int fd)
{
	int rc = io_pending_error(fd);
	/* Said by connect(2) itself it would be this machine's; now it came by ICMPv6. */
	return rc == -EACCES ? ERR_FORBIDDEN : rc;
}

/* Waits for the outcome of a connect(2) that went on in the background (EINPROGRESS). */
MUST_USE static int await_outcome(int fd, uint64_t deadline_ns)
{
	struct pollfd outcome = { .fd = fd, .events = POLLOUT };
	int ready = io_wait(&outcome, 1, deadline_ns);
	if (ready < 0)
		return ready;
	return ready == 0 ? -ETIMEDOUT : pending_outcome(fd);
}

MUST_USE static int connect_to(int fd, const struct addr *addr, uint64_t deadline_ns)
{
	for (;;) {
		bool is_last = clock_now_ns() >= deadline_ns;
		if (connect(fd, &addr->any, addr->len) == 0)
			return 0;
		/* Interrupted, it goes on all the same; a second connect(2) would say EALREADY. */
		if (errno == EINPROGRESS || errno == EINTR)
			return await_outcome(fd, deadline_ns);
		if (errno != EAGAIN || addr->any.sa_family != AF_UNIX)
			return addr_error(addr, errno);
		/* A unix socket does not let us wait for room in the server's queue: ask again. */
		if (is_last)
			return -ETIMEDOUT;
		int rc = io_wait(NULL, 0, clock_deadline_ns(UNIX_RETRY_NS));
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

/* A port is not taken until the other end is known, and so may be that of another connection. */
MUST_USE static int bind_to(int fd, const struct addr *source)
{
	static const struct socket_option late[] = { { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1 } };
	int rc = options_set(fd, late, ARRAY_LEN(late));
	return rc == 0 && bind(fd, &source->any, source->len) < 0 ? addr_error(source, errno) : rc;
}

MUST_USE static int open_socket(int family, const struct addr *source)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int rc = options_set_connection(fd, family);
	if (rc == 0 && source != NULL)
		rc = bind_to(fd, source);
	if (rc == 0)
		return fd;
	io_close(&fd);
	return rc;
}

int connect_open(const struct addr *addr, uint64_t deadline_ns)
{
	int fd = open_socket(addr->any.sa_family, NULL);
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
	int fd = open_socket(addr->any.sa_family, source);
	if (fd < 0 || connect(fd, &addr->any, addr->len) == 0 || errno == EINPROGRESS ||
	    errno == EINTR)
		return fd;
	int rc = addr_error(addr, errno);
	io_close(&fd);
	return rc;
}

int connect_outcome(int fd)
{
	int rc = pending_outcome(fd);
	return rc == 0 && is_connected_to_itself(fd) ? ERR_SELF_CONNECT : rc;
}
