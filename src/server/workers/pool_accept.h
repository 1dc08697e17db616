/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's part in accepting connections.
 *
 * Without a limit per source, workers accept by themselves. The supervisor only ensures that no
 * connection is left in an accept queue (server/workers/accept_watch.h), and closes the queues at
 * the end. With a limit, it accepts all connections and passes them to workers
 * (server/workers/dispatch.h).
 *
 * A turn of the supervisor is: pool_accept_poll(), poll(2), pool_accept_handle_polls(), other work,
 * and pool_accept_dispatch().
 */
#ifndef SERVER_WORKERS_POOL_ACCEPT_H
#define SERVER_WORKERS_POOL_ACCEPT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "server/admission.h"
#include "server/workers/accept_watch.h"
#include "server/workers/dispatch.h"
#include "server/workers/worker_pool.h"

struct pool_accept {
	struct server *server;
	const struct worker_pool *pool;
	struct admission admission; /* without a limit per source it serves no client */
	struct dispatch dispatch;
	struct accept_watch watch;
	bool watch_polls;
	int wakeup_fd;       /* wakes a worker that has room (server/workers/worker.h) */
	bool may_be_stuck;   /* idle workers may be unable to accept: more must be started */
	bool queue_is_empty; /* the server drains, and no connection is left to be accepted */
};

/* Maximum descriptors to poll: listening sockets, both ends of the channel, and the wait queue. */
#define POOL_ACCEPT_POLLS (LISTENERS_MAX + 2 + WAIT_QUEUE_ENTRIES)

/* Opens its descriptors. Returns 0 or a negative code; the caller must close it in either case. */
MUST_USE int pool_accept_open(struct pool_accept *accept, struct server *server,
			      const struct worker_pool *pool);
void pool_accept_close(struct pool_accept *accept);

/* Returns whether the supervisor accepts and passes connections to workers. */
bool pool_accept_dispatches(const struct pool_accept *accept);

/*
 * Fills in descriptors to poll and returns their number. Lowers *deadline_ns if work is due
 * earlier. After poll(2), pool_accept_handle_polls() evaluates the results.
 */
size_t pool_accept_poll(struct pool_accept *accept, struct pollfd *ret_polls,
			uint64_t *deadline_ns);
void pool_accept_handle_polls(struct pool_accept *accept, const struct pollfd *polls);

/*
 * Accepts connections and passes them to workers, if there is a limit per source. Returns 0, or
 * -EBADF.
 */
MUST_USE int pool_accept_dispatch(struct pool_accept *accept);

/* Returns whether connections wait in the supervisor's wait queue. */
bool pool_accept_has_waiting(const struct pool_accept *accept);

/* In a worker that was just started: sets its source of connections. */
void pool_accept_become_worker(struct pool_accept *accept);

/*
 * Must be called in every turn while the server drains. queue_is_empty becomes true when no
 * connection is left to be accepted, or the server is killed. The listening sockets are closed when
 * all workers have closed theirs.
 */
void pool_accept_drain(struct pool_accept *accept);

#endif
