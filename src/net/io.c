/* SPDX-License-Identifier: MIT */
#include "net/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

ssize_t io_read(int fd, void *buffer, size_t size)
{
	for (;;) {
		ssize_t n = read(fd, buffer, size);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

ssize_t io_write(int fd, const void *bytes, size_t size)
{
	for (;;) {
		ssize_t n = write(fd, bytes, size);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

MUST_USE static ssize_t recv_with_flags(int fd, void *buffer, size_t size, int flags)
{
	for (;;) {
		ssize_t n = recv(fd, buffer, size, flags);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

ssize_t io_recv(int fd, void *buffer, size_t size)
{
	return recv_with_flags(fd, buffer, size, MSG_DONTWAIT);
}

ssize_t io_peek(int fd, void *buffer, size_t size)
{
	return recv_with_flags(fd, buffer, size, MSG_DONTWAIT | MSG_PEEK);
}

int io_set_recv_timeout(int fd, uint64_t recv_timeout_ns)
{
	struct timeval limit = {
		.tv_sec = (time_t)(recv_timeout_ns / CLOCK_NS_PER_S),
		.tv_usec = (suseconds_t)(recv_timeout_ns % CLOCK_NS_PER_S / 1000),
	};
	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ? -errno : 0;
}

int io_make_blocking(int fd, uint64_t recv_timeout_ns)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	return io_set_recv_timeout(fd, recv_timeout_ns);
}

ssize_t io_recv_wait(int fd, void *buffer, size_t size)
{
	return recv_with_flags(fd, buffer, size, 0);
}

ssize_t io_send(int fd, const void *bytes, size_t size)
{
	for (;;) {
		ssize_t n = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

int io_send_end(int fd)
{
	if (shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN)
		return 0;
	return -errno;
}

size_t io_unacknowledged(int fd)
{
	int bytes;
	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

void io_reset_on_close(int fd)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };
	ignore_result(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
}

int io_pending_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

/* A shortage of memory may be short: number of attempts before io_wait() gives up. */
#define SHORTAGE_TRIES 50

int io_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns)
{
	for (int shortages = 0;;) {
		int timeout_ms = clock_poll_ms(deadline_ns);
		int ready = poll(fds, n, timeout_ms);
		if (ready < 0 && errno == ENOMEM && shortages++ < SHORTAGE_TRIES) {
			/* poll(2) without descriptors needs no memory. */
			poll(NULL, 0, (int)(IO_SHORTAGE_PAUSE_NS / CLOCK_NS_PER_MS));
			continue;
		}
		if (ready < 0 && errno != EINTR)
			return -errno;
		/* A deadline can be further away than poll(2) can wait (24 days). */
		if (ready > 0 || (ready == 0 && timeout_ms < INT_MAX))
			return ready;
	}
}

bool io_is_ready(int fd, short events)
{
	struct pollfd ready = { .fd = fd, .events = events };
	return io_wait(&ready, 1, 0) != 0;
}

int io_pipe(int *ret_reader, int *ret_writer)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret_reader = ends[0];
	*ret_writer = ends[1];
	return 0;
}

int io_check_writable(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	return (flags & O_ACCMODE) == O_RDONLY ? -EACCES : 0;
}

int io_set_nonblock_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

void io_close(int *fd)
{
	/* Never call close(2) again after EINTR: on Linux the descriptor is already free. */
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int io_fill_standard_fds(void)
{
	static const int failing_mode[] = { O_WRONLY, O_RDONLY, O_RDONLY };
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is fd: all lower ones are open by now. */
		if (open("/dev/null", failing_mode[fd]) < 0)
			return -errno;
	}
	return 0;
}
