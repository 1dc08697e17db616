/* SPDX-License-Identifier: MIT */
#include "net/poller.h"

#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/io.h"

int poller_open(struct poller *ret_poller)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret_poller->fd = fd;
	return 0;
}

void poller_close(struct poller *poller)
{
	io_close(&poller->fd);
}

int poller_add(struct poller *poller, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = { .events = events, .data.u64 = tag };
	if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	return errno == ENOSPC ? ERR_NO_WATCHES : -errno;
}

int poller_change(struct poller *poller, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event event = { .events = events, .data.u64 = tag };
	return epoll_ctl(poller->fd, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

int poller_remove(struct poller *poller, int fd)
{
	return epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int poller_wait(struct poller *poller, struct poller_events *ret_events, uint64_t deadline_ns)
{
	ret_events->n = 0;
	for (;;) {
		int timeout_ms = deadline_ns == 0 ? 0 : clock_poll_ms(deadline_ns);
		int n = epoll_wait(poller->fd, ret_events->list, POLLER_EVENTS, timeout_ms);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0 || (n == 0 && timeout_ms == INT_MAX))
			/*
			 * EINTR, or the deadline is further away than epoll_wait() can wait (24
			 * days)
			 */
			continue;
		ret_events->n = n;
		return n;
	}
}
