/* SPDX-License-Identifier: MIT */
/*
 * How workers get their connections if there is a limit per source: the supervisor accepts them,
 * and passes each to a worker that has room.
 *
 *   supervisor                                 worker
 *   accept, count the source, add to
 *   its table; if the source is over
 *   its limit, keep the connection
 *   in the wait queue
 *   dispatch_send: ticket, socket -----------> dispatch_receive, add, serve
 *   remove it from the table <---- record ---- it has ended
 *
 * So only one process counts and decides, as the parent of the fork engine does. Workers share no
 * count and no lock, and a stopped worker stops no other worker. A connection that waits occupies
 * no worker, and the next worker with room serves it.
 *
 * A worker uses the channel like a listening socket. The kernel writes the message into memory that
 * the supervisor sees. So if a worker is killed, the supervisor knows whether it had taken a
 * connection that was not in its table yet.
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

/* Message that is passed with a connected socket. In a worker's slot: the last one taken. */
struct dispatch_message {
	uint64_t ticket; /* number of the client in the supervisor's table */
	struct peer peer;
};

/* The supervisor's end of the channel. */
struct dispatch {
	int sender_fd, receiver_fd; /* -1: no limit per source, and workers accept by themselves */
	bool is_full;               /* the channel is full until it is writable again */
	const struct client_table *clients;
};

/* Opens the channel for the clients of this table. Returns 0 or -errno. */
MUST_USE int dispatch_open(struct dispatch *ret_dispatch, const struct client_table *clients);
void dispatch_close(struct dispatch *dispatch);

/*
 * Passes a client of the table to the workers. On success closes client->fd and returns 0. Returns
 * -EBUSY if the channel is full, or -errno.
 */
MUST_USE int dispatch_send(struct dispatch *dispatch, struct client *client);

/* In a worker: replaces its listening sockets with the receiving end. */
void dispatch_replace_listeners(struct dispatch *dispatch, struct listeners *listeners);

/*
 * Takes the next connection in a worker: its socket *ret_fd, and *ret_message, which is in shared
 * memory. Returns a verdict like accept_client(). If it is not ACCEPT_GOT and the ticket is not 0,
 * a connection was lost.
 */
MUST_USE enum accept_verdict dispatch_receive(int receiver_fd, struct dispatch_message *ret_message,
					      int *ret_fd, int *reterr_code);

#endif
