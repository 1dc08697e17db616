/* SPDX-License-Identifier: MIT */
/*
 * How connections come to workers if there is a limit per source: the supervisor accepts them, and
 * passes each to a worker that has room.
 *
 *   supervisor                                 worker
 *   accept, count the source, enter
 *   in its table; if the source has
 *   too many, keep the connection
 *   in the wait queue
 *   dispatch_serve: ticket, socket ----------> dispatch_take, enter, serve
 *   take it out of the table <---- report ---- it has ended
 *
 * So one process alone counts and decides, as the parent of the fork engine does: workers share no
 * count and no lock, and one that is stopped stops no other. A connection that waits occupies no
 * worker, and is served by the next one with room.
 *
 * The channel is to a worker what a listening socket is to it without a limit. The kernel writes
 * the message into memory that the supervisor sees. So of a worker that is killed the supervisor
 * knows whether it had taken a connection that it had not entered yet.
 */
#ifndef SERVER_WORKERS_DISPATCH_H
#define SERVER_WORKERS_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/accept.h"
#include "net/peer.h"
#include "server/client_table.h"
#include "server/listeners.h"

/* What is passed with a connected socket. In a worker's slot: the one that it took last. */
struct dispatch_message {
	uint64_t ticket; /* of the client in the supervisor's table */
	struct peer peer;
};

/* The supervisor's part. */
struct dispatch {
	int sender_fd, receiver_fd; /* -1: there is no limit, and workers accept by themselves */
	bool is_full;               /* the channel, until it is writable again */
	const struct client_table *clients;
};

/* Opens the channel, for the clients of this table. Returns 0 or -errno. */
MUST_USE int dispatch_open(struct dispatch *ret_dispatch, const struct client_table *clients);
void dispatch_close(struct dispatch *dispatch);

/*
 * Passes a client of the table to the workers, as an admission_serve_fn: takes its socket and
 * returns 0. Returns -EBUSY when the channel is full, or -errno.
 */
MUST_USE int dispatch_serve(void *dispatch, struct client *client);

/* In a worker: the receiving end takes the place of its listening sockets. */
void dispatch_replace_listeners(struct dispatch *dispatch, struct listeners *listeners);

/*
 * A worker takes the next connection: its socket *ret_fd, and *ret_message, which is in shared
 * memory. The verdict is that of accept_client(). If it is not ACCEPT_GOT and the ticket is not 0,
 * a connection was lost.
 */
MUST_USE enum accept_verdict dispatch_take(int receiver_fd, struct dispatch_message *ret_message,
					   int *ret_fd, int *reterr_code);

#endif
