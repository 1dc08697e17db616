/* SPDX-License-Identifier: MIT */
/*
 * Waiting for many descriptors at once (epoll(7)).
 *
 * Each is added with a tag, a number by which its events are known. Whoever closes a descriptor
 * that no other process has takes it out by that.
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include <stdint.h>
#include <sys/epoll.h>

#include "base/compiler.h"

struct poller {
	int fd;
};

/* Events fetched at once: .data.u64 is the tag, .events EPOLLIN and so on. */
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
 * Says anew what is waited for: of one that is waited for at its edges (EPOLLET), what is true now
 * is an event again, behind those of all others. Returns 0 or -errno.
 */
MUST_USE int poller_change(struct poller *poller, int fd, uint32_t events, uint64_t tag);

/*
 * Waits for events until the deadline, whatever signals come in between (SIGSTOP and SIGCONT).
 * Returns how many, 0 if there was none at the deadline, or -errno. A deadline that has passed
 * makes it look and not wait.
 */
MUST_USE int poller_wait(struct poller *poller, struct poller_events *ret_events,
			 uint64_t deadline_ns);

#endif
