/* SPDX-License-Identifier: MIT */
/*
 * How a worker that waits with a ring (net/uring.h) watches its listening sockets and shutdown
 * pipes.
 *
 * Each request on a listening socket completes with the first client. The next request goes to the
 * end of the queue of waiting workers. The shutdown pipes are in the worker's epoll set, and the
 * ring waits for that set.
 */
#ifndef SERVER_EVENTS_URING_ACCEPT_H
#define SERVER_EVENTS_URING_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/uring.h"
#include "server/workers/worker.h"

struct uring_accept {
	struct worker *worker;
	struct uring *ring;
	uint64_t tag; /* tag of the first request; up to LISTENERS_MAX more follow */
	struct {      /* for each listening socket, then for the epoll set */
		bool is_there,
			is_cancelled; /* a request is pending; a request to cancel it is pending */
	} requests[LISTENERS_MAX + 1];
	bool poller_is_ready;
};

/* Handles the completion of request `which` (its tag minus accept->tag) with this result. */
void uring_accept_completed(struct uring_accept *accept, uint32_t which, int result);

/*
 * The two halves of a turn around worker_next_client(). uring_accept_read_events() reads the events
 * of the epoll set, as worker_wait() does, without waiting. Returns 0 or a negative code.
 * uring_accept_watch() makes the requests that wait for the next client, if there is room.
 */
MUST_USE int uring_accept_read_events(struct uring_accept *accept);
void uring_accept_watch(struct uring_accept *accept);

/*
 * Cancels all requests, because no client is accepted any more. Must be called, with completions
 * handled in between, until it returns true. A ring that is closed releases its sockets some time
 * later, and until then no other program could bind the address.
 */
MUST_USE bool uring_accept_close(struct uring_accept *accept);

#endif
