/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's watch over connections that stay in the accept queue.
 *
 * A new connection wakes one worker. If that worker is stopped, killed or unable to accept before
 * it has accepted the connection, nothing else wakes another worker. So the supervisor polls the
 * listening sockets too. When a socket is ready, the supervisor waits for a while and polls again:
 * if a connection waits there at both times, it wakes another worker.
 *
 *   polls --ready--> rests --time--> polls once --not ready--> polls
 *                      ^               |
 *                      `----ready------'  wake a worker; rest longer if nothing was accepted
 *
 * An idle server has no cost. A busy server makes a few calls a second, at any rate of connections.
 * A full server makes one call a second.
 */
#ifndef SERVER_WORKERS_ACCEPT_WATCH_H
#define SERVER_WORKERS_ACCEPT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"

/* Time between two polls, at first and at most. */
#define ACCEPT_WATCH_REST_MIN_NS (100 * CLOCK_NS_PER_MS)
#define ACCEPT_WATCH_REST_MAX_NS CLOCK_NS_PER_S

/* A zeroed watch polls. */
struct accept_watch {
	uint64_t rest_ns;       /* time between two polls, 0: it polls in every turn */
	uint64_t rest_until_ns; /* time of the next poll */
	uint64_t n_accepted;    /* connections that had been accepted at the last poll */
	bool is_stuck;          /* a connection waits, and none was accepted since the last poll */
};

/* Returns whether the listening sockets must be polled now. */
bool accept_watch_polls(const struct accept_watch *watch, uint64_t now_ns);

/* Returns the time of the next poll: 0 if it is due, CLOCK_NEVER if it does not rest. */
uint64_t accept_watch_deadline_ns(const struct accept_watch *watch, uint64_t now_ns);

/* The listening sockets were polled, and no connection waits. */
void accept_watch_found_none(struct accept_watch *watch);

/*
 * The listening sockets were polled, and a connection waits. n_accepted: number of connections
 * accepted since the start. Returns whether a connection waited at the last poll too: then the
 * caller must wake a worker.
 */
MUST_USE bool accept_watch_found(struct accept_watch *watch, uint64_t n_accepted, uint64_t now_ns);

#endif
