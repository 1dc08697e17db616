/* SPDX-License-Identifier: MIT */
/*
 * A lane: one of the connections of a load, and the messages on their way on it.
 *
 *            connect                 message back (churn)
 *   CLOSED ----------> CONNECTING --> OPEN ------------> FINISHING
 *     ^  ^                 |            |                    |
 *     |  `---- failed -----+------------'                    |
 *     `----------------- the server's end -------------------'
 *
 * A pure book: it makes no system call. Messages are of one size and come back in order, so two
 * counts tell which are under way, and where the next byte belongs.
 *
 * Invariant: n_back <= n_begun <= n_back + depth; returned <= sent <= n_begun * size.
 */
#ifndef CLIENT_LANES_H
#define CLIENT_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/payload.h"

struct addr;

enum lane_state { LANE_CLOSED, LANE_CONNECTING, LANE_OPEN, LANE_FINISHING, LANE_GONE };

/* A message under way. */
struct flight {
	uint64_t due_ns;   /* when it should have been sent */
	uint64_t begun_ns; /* when it was, or while connecting for it when that began */
};

struct lane {
	int fd;
	uint8_t state;       /* enum lane_state */
	bool counts_connect; /* the time it takes to connect is to be recorded */
	uint32_t n_owed;     /* open loop: messages that are due and have not begun */
	uint64_t n_taken;    /* of its schedule: messages that have begun, on any connection */
	uint64_t number;     /* of the connection, by which its payload is known */
	struct payload payload;
	uint64_t n_begun, n_back; /* messages, on this connection */
	uint64_t sent, returned;  /* bytes, on this connection */
	uint64_t since_ns;        /* CONNECTING: when that began; CLOSED: not to be opened before */
	const struct addr *to;    /* CONNECTING: to this address */
};

/* A ring of flights for each lane, side by side. */
struct lanes {
	struct lane *list;
	struct flight *flights;
	uint32_t n, depth;
	uint32_t room; /* of a ring: the power of two that is not below `depth` */
	uint64_t size; /* of a message */
};

/* Takes all memory that there will be. Returns 0 or -ENOMEM. */
MUST_USE int lanes_open(struct lanes *ret_lanes, uint32_t n, uint32_t depth, uint64_t size);
void lanes_close(struct lanes *lanes);

/* A new connection, with this number and payload; nothing is under way on it. */
void lane_begin_connection(struct lane *lane, int fd, uint64_t number, struct payload payload);

/* Is it connecting and has no socket yet, because the queue of a unix socket is full? */
static inline bool lane_is_queueing(const struct lane *lane)
{
	return lane->state == LANE_CONNECTING && lane->fd < 0;
}

static inline uint64_t lane_in_flight(const struct lane *lane)
{
	return lane->n_begun - lane->n_back;
}

/* Bytes that are to be sent and have not been. */
static inline uint64_t lane_unsent(const struct lanes *lanes, const struct lane *lane)
{
	return lane->n_begun * lanes->size - lane->sent;
}

/* Begins a message. There must be room for one. */
void lane_begin_message(struct lanes *lanes, struct lane *lane, struct flight flight);

/* Connected for its only message, which is sent now. */
void lane_send_first(struct lanes *lanes, struct lane *lane, uint64_t now_ns);

/* The oldest message under way; there must be one. */
const struct flight *lane_oldest(const struct lanes *lanes, const struct lane *lane);

/* Is the oldest message back, by what was returned? */
static inline bool lane_has_back(const struct lanes *lanes, const struct lane *lane)
{
	return lane->n_back < lane->n_begun && lane->returned >= (lane->n_back + 1) * lanes->size;
}

#endif
