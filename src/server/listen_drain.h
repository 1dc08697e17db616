/* SPDX-License-Identifier: MIT */
/*
 * How the listening sockets are closed at the end, so that no connection is reset.
 *
 *   1. New connections are stopped (net/listen.h): only handshakes that have begun still add to an
 *      accept queue.
 *   2. Those handshakes get time to finish: about a round trip.
 *   3. From then on an accept queue that is empty stays empty: the socket can be closed.
 *
 * One process does this, the one that reads the signals: the parent of the fork engine, or the
 * supervisor. Others accept meanwhile as they always do. It looks at the queues itself, so nothing
 * depends on how another process ends. Only of a unix socket it cannot see whether the queue is
 * empty, once that is stopped: there, the process that found it empty says so.
 */
#ifndef SERVER_LISTEN_DRAIN_H
#define SERVER_LISTEN_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "server/listeners.h"

/*
 * Time for handshakes to finish, on an address that other machines reach and on one that only this
 * machine reaches. Until then the port is not free for another server.
 */
#define LISTEN_DRAIN_SETTLE_NS       (250 * CLOCK_NS_PER_MS)
#define LISTEN_DRAIN_SETTLE_LOCAL_NS (50 * CLOCK_NS_PER_MS)

/*
 * If the queue was ever full: time for the kernel to send a SYN-ACK again (TCP_TIMEOUT_INIT), as
 * the ACK of a client that believes to be connected was dropped.
 */
#define LISTEN_DRAIN_OVERRUN_NS (CLOCK_NS_PER_S + LISTEN_DRAIN_SETTLE_NS)

/* Time between two looks at queues that are not empty yet. */
#define LISTEN_DRAIN_LOOK_NS (20 * CLOCK_NS_PER_MS)

/* A zeroed one has not begun. */
struct listen_drain {
	uint64_t start_ns;   /* when new connections were stopped, 0: not yet */
	uint64_t settled_ns; /* when handshakes have had their time */
	uint64_t is_blind;   /* a bit for each socket: poll(2) does not show its queue any more */
	uint64_t was_empty;  /* a bit for each of these: its queue was empty before the stop */
	bool was_overrun;    /* a queue was full once, which has not been allowed for yet */
	bool is_empty;       /* all queues are empty, for good */
	bool is_over;        /* and the sockets are closed */
};

/* What all processes with the listening sockets see, in memory that they share. */
enum listen_drain_state {
	LISTEN_DRAIN_SERVING,
	LISTEN_DRAIN_STOPPING, /* what is accepted from now on needs listen_release() */
	LISTEN_DRAIN_STOPPED,  /* nothing is added to the queue of a unix socket any more */
};

/* Is it a socket of which only accept(2) shows whether its queue is empty, once it is stopped? */
bool listen_drain_gets_blind(const struct listener *listener);

/* What to poll for connections in its queue, -1: it is closed, or poll(2) does not show them. */
int listen_drain_poll_fd(const struct listen_drain *drain, const struct listeners *listeners,
			 size_t i);

/* Stops new connections, unless that is done, and sets the state. */
void listen_drain_begin(struct listen_drain *drain, struct listeners *listeners,
			_Atomic int *state);

/*
 * Are all queues empty, for good? found_empty: a bit for each blind socket, by its number, whose
 * queue another process has found empty in LISTEN_DRAIN_STOPPED.
 */
bool listen_drain_is_empty(struct listen_drain *drain, const struct listeners *listeners,
			   uint64_t found_empty);

/* When to ask again, or CLOCK_NEVER: it has not begun, or is over. */
uint64_t listen_drain_deadline_ns(const struct listen_drain *drain);

#endif
