/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's watch over connections that stay in the accept queue.
 *
 * A new connection wakes one worker. If that worker is stopped, killed or unable to accept before
 * it has accepted the connection, nothing else wakes another one. So the supervisor polls the
 * listening sockets too. When one is ready, it leaves them alone for a while and then looks again:
 * if a connection waits there at both times, it wakes another worker.
 *
 *   polls --ready--> rests --time--> looks --not ready--> polls
 *                      ^               |
 *                      `----ready------'  wake a worker; rest longer if nothing was accepted
 *
 * So an idle server costs nothing, a busy one a few calls a second, whatever its rate, and a full
 * one a call a second.
 */
#ifndef SERVER_WORKERS_ACCEPT_WATCH_H
#define SERVER_WORKERS_ACCEPT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"

/* From a connection to the look at it, at first and at most. */
#define ACCEPT_WATCH_REST_MIN_NS (100 * CLOCK_NS_PER_MS)
#define ACCEPT_WATCH_REST_MAX_NS CLOCK_NS_PER_S

/* A zeroed one polls. */
struct accept_watch {
	uint64_t rest_ns;       /* how long it rests between two looks, 0: it polls */
	uint64_t rest_until_ns; /* when it looks again */
	uint64_t n_accepted;    /* connections that had been accepted at the last look */
	bool is_stuck;          /* one waits, and since the last look nothing was accepted */
};

/* Returns whether the listening sockets are to be polled now. */
bool accept_watch_polls(const struct accept_watch *watch, uint64_t now_ns);

/*
 * Returns until when to wait at most: for a look that is due 0, while it rests the time of the next
 * look, else CLOCK_NEVER.
 */
uint64_t accept_watch_deadline_ns(const struct accept_watch *watch, uint64_t now_ns);

/* The listening sockets were polled, and no connection waits. */
void accept_watch_found_none(struct accept_watch *watch);

/*
 * The listening sockets were polled, and a connection waits. n_accepted: how many were accepted so
 * far. Returns whether one waited at the last look as well, so that a worker is to be woken.
 */
MUST_USE bool accept_watch_found(struct accept_watch *watch, uint64_t n_accepted, uint64_t now_ns);

#endif
