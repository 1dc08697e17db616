/* SPDX-License-Identifier: MIT */
/*
 * Waits for many descriptors at once (epoll(7)).
 *
 * Each descriptor is added with a tag, a number that identifies its events. Closing the last copy
 * of a descriptor also removes it.
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include <stdint.h>
#include <sys/epoll.h>

#include "base/compiler.h"

struct poller {
	int fd;
};

/* Maximum number of events per wait. .data.u64 is the tag, .events is EPOLLIN and so on. */
#define POLLER_EVENTS 256

struct poller_events {
	int n;
	struct epoll_event list[POLLER_EVENTS];
};

/* Returns 0 or -errno. */
MUST_USE int poller_open(struct poller *ret_poller);
void poller_close(struct poller *poller);

/* Returns 0 or a negative code: -ENOMEM, ERR_NO_WATCHES. */
MUST_USE int poller_add(struct poller *poller, int fd, uint32_t events, uint64_t tag);
MUST_USE int poller_remove(struct poller *poller, int fd);

/*
 * Sets the events anew. With EPOLLET this reports a condition that holds now as an event again,
 * queued after all other events. Returns 0 or -errno.
 */
MUST_USE int poller_change(struct poller *poller, int fd, uint32_t events, uint64_t tag);

/*
 * Waits for events until the deadline; signals do not end the wait (SIGSTOP and SIGCONT). Returns
 * the number of events, 0 at the deadline, or -errno. With a deadline in the past it returns at
 * once.
 */
MUST_USE int poller_wait(struct poller *poller, struct poller_events *ret_events,
			 uint64_t deadline_ns);

#endif
