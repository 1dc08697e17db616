/* SPDX-License-Identifier: MIT */
/*
 * What happens on the lanes of one thread's load: connecting, sending, receiving, comparing, and
 * how a connection ends. When what happens is for client/load.h.
 */
#ifndef CLIENT_TRAFFIC_H
#define CLIENT_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "client/diagnosis.h"
#include "client/lanes.h"
#include "client/load.h"
#include "client/wakes.h"
#include "net/io.h"
#include "net/poller.h"

/* Sent at a time. */
#define TRAFFIC_PIECE ((size_t)64 * 1024)

/*
 * Received at a time: a little more, so that a message of a whole piece is not asked after again.
 * Behind it there is room for what a diagnosis waits for.
 */
#define TRAFFIC_RECEIVE (TRAFFIC_PIECE + 64)

/* Latest standstills of a thread that are remembered: no wait lasts through many more. */
#define TRAFFIC_STANDSTILLS 32

/* A thread was stopped, preempted or suspended until then. */
struct standstill {
	uint64_t until_ns, length_ns;
};

struct traffic {
	struct load *load;
	const struct load_plan *plan;
	struct lanes lanes;
	struct poller poller;
	struct wakes wakes; /* when each lane is looked after next, or before */

	uint64_t now_ns;           /* as of the latest look at the clock */
	uint64_t begin_ns, end_ns; /* what is due in between counts; 0: not known yet */
	uint64_t give_up_ns;       /* after that no message begins, whatever is owed */
	struct standstill standstills[TRAFFIC_STANDSTILLS]; /* a ring */
	uint64_t n_standstills;                             /* ever */
	uint64_t wait_ns;      /* plan->wait_ns, CLOCK_NEVER if it is off */
	uint64_t connected_ns; /* when a connection was opened last */
	uint64_t n_owed;       /* of all lanes */
	uint64_t n_numbers;    /* connections that have been begun */
	uint32_t n_connecting, n_finishing, n_gone;
	uint32_t n_queueing;  /* of those connecting: without a socket, the unix queue is full */
	uint32_t n_in_flight; /* messages, of all lanes */
	bool has_echoed;      /* some message has come back whole */

	IO_ALIGNED unsigned char piece[TRAFFIC_RECEIVE];
};

/*
 * What is owed may be owed for ever: the server does not come back, or cannot keep up. Some time
 * after the end nothing more begins.
 */
static inline bool traffic_is_hopeless(const struct traffic *traffic)
{
	return traffic->end_ns != 0 && traffic->now_ns > traffic->give_up_ns;
}

/* The place of a lane among those of its thread, from 0. */
static inline uint32_t traffic_index(const struct traffic *traffic, const struct lane *lane)
{
	return (uint32_t)(lane - traffic->lanes.list);
}

/* Does a message that is due then count? */
bool traffic_counts(const struct traffic *traffic, uint64_t due_ns);

/* Open loop: when the k-th message of a lane is due. */
uint64_t traffic_due_ns(const struct traffic *traffic, const struct lane *lane, uint64_t k);

/* Open loop: how many of a lane's messages are due before a time. */
uint64_t traffic_due_before(const struct traffic *traffic, const struct lane *lane,
			    uint64_t time_ns);

/* Begins to connect a lane that is closed. */
void traffic_connect(struct traffic *traffic, struct lane *lane);

/* Tries again to connect the lanes that wait for room in the queue of a unix socket. */
void traffic_retry(struct traffic *traffic);

/*
 * For a lane that has been connecting for DIAL_ATTEMPT_DELAY_NS: has another address of the server
 * looked for, or connects to that one if it has been found (RFC 8305, 5).
 */
void traffic_try_other(struct traffic *traffic, struct lane *lane);

/* Begins as many messages as there may be, and in an open loop as are owed. */
void traffic_begin(struct traffic *traffic, struct lane *lane);

/* The poller has said this of a lane. */
void traffic_event(struct traffic *traffic, struct lane *lane, uint32_t events);

/*
 * A connection failed: counts its messages as failed, or if it carried none an error of the
 * connection, and closes the lane: for a while, or for good without reconnecting.
 */
void traffic_fail(struct traffic *traffic, struct lane *lane, const char *name);

/*
 * The run ends: accounts for what is under way on a lane, and closes it. Messages that have waited
 * for longer than they may have failed, others are unfinished.
 */
void traffic_end(struct traffic *traffic, struct lane *lane);

#endif
