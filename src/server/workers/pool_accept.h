/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's part in accepting connections.
 *
 * Without a limit per source, workers accept by themselves. The supervisor only watches that no
 * connection is left in an accept queue (server/workers/accept_watch.h), and closes the queues at
 * the end. With a limit, it accepts all connections and passes them to workers
 * (server/workers/dispatch.h).
 *
 * A turn of the supervisor is: pool_accept_poll(), poll(2), pool_accept_polled(), other work, and
 * pool_accept_admit().
 */
#ifndef SERVER_WORKERS_POOL_ACCEPT_H
#define SERVER_WORKERS_POOL_ACCEPT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "server/workers/accept_watch.h"
#include "server/admission.h"
#include "server/workers/worker_pool.h"
#include "server/workers/dispatch.h"

struct pool_accept {
	struct server *server;
	const struct worker_pool *pool;
	struct admission admission; /* without a limit it serves no client */
	struct dispatch dispatch;
	struct accept_watch watch;
	bool watch_polls;
	int wakeup_fd;       /* wakes a worker that has room (server/workers/worker.h) */
	bool may_be_stuck;   /* idle workers may be unable to accept: more are to be started */
	bool queue_is_empty; /* the server drains, and no connection is left to be accepted */
	bool is_ready[LISTENERS_MAX];
};

/*
 * Descriptors that it polls at most: channel and connections that wait, besides listening sockets.
 */
#define POOL_ACCEPT_POLLS (LISTENERS_MAX + 2 + ADMISSION_POLLS)

/* Opens what that takes. Returns 0 or a negative code; to be closed in either case. */
MUST_USE int pool_accept_open(struct pool_accept *accept, struct server *server,
			      const struct worker_pool *pool);
void pool_accept_close(struct pool_accept *accept);

/* Does the supervisor accept, and do workers take from it? */
bool pool_accept_dispatches(const struct pool_accept *accept);

/*
 * Sets up descriptors to poll, and returns their number; *deadline_ns becomes earlier if there is
 * something to do by then. When they were polled, pool_accept_polled() takes what was found.
 */
size_t pool_accept_poll(struct pool_accept *accept, struct pollfd *ret_polls,
			uint64_t *deadline_ns);
void pool_accept_polled(struct pool_accept *accept, const struct pollfd *polls);

/* Serves and accepts connections, where the supervisor does that. Returns 0, or -EBADF. */
MUST_USE int pool_accept_admit(struct pool_accept *accept);

/* Connections that wait for their source, in the supervisor. */
bool pool_accept_has_waiting(const struct pool_accept *accept);

/* In a worker that has just been started: where it takes connections from. */
void pool_accept_become_worker(struct pool_accept *accept);

/*
 * The server drains: to be called in every turn. queue_is_empty becomes true when no connection is
 * left to be accepted, or the server is killed; the listening sockets are closed when all workers
 * have closed theirs.
 */
void pool_accept_drain(struct pool_accept *accept);

#endif
