/* SPDX-License-Identifier: MIT */
/*
 * How the listening sockets are closed at the end, so that no connection is reset.
 *
 *   1. New connections are stopped (net/listen.h): only handshakes that have begun still add to an
 *      accept queue.
 *   2. Those handshakes get time to finish: about a round trip.
 *   3. From then on an accept queue that is empty stays empty: the socket can be closed.
 *
 * The process that reads the signals does this: the parent of the fork engine, or the supervisor.
 * Other processes continue to accept meanwhile. It polls the queues itself, so nothing depends on
 * how another process ends. There is one exception: after new connections to a unix socket are
 * stopped, poll(2) does not show whether its queue is empty. There, the process whose accept(2)
 * finds it empty reports that.
 */
#ifndef SERVER_LISTEN_DRAIN_H
#define SERVER_LISTEN_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "server/listeners.h"

/*
 * Time for handshakes to finish, on an address that other machines reach and on an address that
 * only this machine reaches. Until then the port is not free for another server.
 */
#define LISTEN_DRAIN_SETTLE_NS       (250 * CLOCK_NS_PER_MS)
#define LISTEN_DRAIN_SETTLE_LOCAL_NS (50 * CLOCK_NS_PER_MS)

/*
 * The same if the queue was ever full: time for the kernel to send a SYN-ACK again
 * (TCP_TIMEOUT_INIT), because it dropped the ACK of a client that considers itself connected.
 */
#define LISTEN_DRAIN_OVERRUN_NS (CLOCK_NS_PER_S + LISTEN_DRAIN_SETTLE_NS)

/* Time between two polls of queues that are not empty yet. */
#define LISTEN_DRAIN_POLL_NS (20 * CLOCK_NS_PER_MS)

/* A zeroed drain has not begun. */
struct listen_drain {
	uint64_t start_ns;     /* time at which new connections were stopped, 0: not yet */
	uint64_t settled_ns;   /* time by which handshakes have finished */
	uint64_t needs_accept; /* bit per socket: poll(2) does not show its queue any more */
	uint64_t was_empty;    /* bit per such socket: its queue was empty before the stop */
	bool was_overrun;      /* a queue was full, and the deadline does not allow for that yet */
	bool is_empty;         /* all queues are empty and stay empty */
	bool is_over;          /* the sockets are closed too */
};

/* State for all processes with the listening sockets, in shared memory. */
enum listen_drain_state {
	LISTEN_DRAIN_SERVING,
	LISTEN_DRAIN_STOPPING, /* from now on listen_release() is needed */
	LISTEN_DRAIN_STOPPED,  /* no connection can join the queue of a unix socket any more */
};

/* Returns whether, after the stop, only accept(2) shows if the queue of this socket is empty. */
bool listen_drain_needs_accept(const struct listener *listener);

/*
 * Returns the descriptor to poll for connections in the queue, or -1 if it is closed or poll(2)
 * does not show them.
 */
int listen_drain_poll_fd(const struct listen_drain *drain, const struct listeners *listeners,
			 size_t i);

/* Stops new connections, unless that is done already, and sets the state. */
void listen_drain_begin(struct listen_drain *drain, struct listeners *listeners,
			_Atomic int *state);

/*
 * Returns whether all queues are empty and stay empty. found_empty: one bit for each blind socket,
 * by its index, whose queue another process found empty in LISTEN_DRAIN_STOPPED.
 */
bool listen_drain_is_empty(struct listen_drain *drain, const struct listeners *listeners,
			   uint64_t found_empty);

/* Returns when to call again, or CLOCK_NEVER if it has not begun or is over. */
uint64_t listen_drain_deadline_ns(const struct listen_drain *drain);

#endif
