/* SPDX-License-Identifier: MIT */
/*
 * How a worker that waits with a ring (net/uring.h) hears of its listening sockets and lifelines.
 *
 * Each request about a listening socket is over with the first client, and the next one goes to the
 * end of the line of workers. The lifelines are in the worker's poller, and the ring waits for
 * that.
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
	uint64_t tag; /* of the requests: this, and up to LISTENERS_MAX more */
	struct {      /* of each listening socket, and behind them of the poller */
		bool is_there, is_cancelled; /* the request, and one to cancel it */
	} requests[LISTENERS_MAX + 1];
	bool poller_is_ready;
};

/* Something is done whose tag is so much more than the doorway's, with this result. */
void uring_accept_completed(struct uring_accept *accept, uint32_t which, int result);

/*
 * Lets in who may come, and waits for what comes next: worker_wait() and worker_admit() in one.
 * Returns 0 or a negative code.
 */
MUST_USE int uring_accept_admit(struct uring_accept *accept);

/*
 * Nobody comes any more: takes every request back. To be called, with what is done told in between,
 * until it returns true. A ring that is closed lets go of what it has some time later, and so long
 * nobody else could bind the address.
 */
MUST_USE bool uring_accept_close(struct uring_accept *accept);

#endif
