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
#ifndef CLIENT_LOAD_LOAD_CONN_H
#define CLIENT_LOAD_LOAD_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/payload.h"

struct addr;

enum load_conn_state {
	LOAD_CONN_CLOSED,
	LOAD_CONN_CONNECTING,
	LOAD_CONN_OPEN,
	LOAD_CONN_FINISHING,
	LOAD_CONN_GONE
};

/* A message under way. */
struct request {
	uint64_t due_ns;   /* when it should have been sent */
	uint64_t begun_ns; /* when it was, or while connecting for it when that began */
};

struct load_conn {
	int fd;
	uint8_t state;       /* enum load_conn_state */
	bool counts_connect; /* the time it takes to connect is to be recorded */
	uint32_t n_backlog;  /* open loop: messages that are due and have not begun */
	uint64_t n_taken;    /* of its schedule: messages that have begun, on any connection */
	uint64_t number;     /* of the connection, by which its payload is known */
	struct payload payload;
	uint64_t n_begun, n_back; /* messages, on this connection */
	uint64_t sent, returned;  /* bytes, on this connection */
	uint64_t since_ns;        /* CONNECTING: when that began; CLOSED: not to be opened before */
	const struct addr *to;    /* CONNECTING: to this address */
};

/* A ring of flights for each lane, side by side. */
struct load_conns {
	struct load_conn *list;
	struct request *requests;
	uint32_t n, depth;
	uint32_t room; /* of a ring: the power of two that is not below `depth` */
	uint64_t size; /* of a message */
};

/* Takes all memory that there will be. Returns 0 or -ENOMEM. */
MUST_USE int load_conns_open(struct load_conns *ret_lanes, uint32_t n, uint32_t depth,
			     uint64_t size);
void load_conns_close(struct load_conns *conns);

/* A new connection, with this number and payload; nothing is under way on it. */
void load_conn_begin_connection(struct load_conn *conn, int fd, uint64_t number,
				struct payload payload);

/* Is it connecting and has no socket yet, because the queue of a unix socket is full? */
static inline bool load_conn_is_queueing(const struct load_conn *conn)
{
	return conn->state == LOAD_CONN_CONNECTING && conn->fd < 0;
}

static inline uint64_t load_conn_in_flight(const struct load_conn *conn)
{
	return conn->n_begun - conn->n_back;
}

/* Bytes that are to be sent and have not been. */
static inline uint64_t load_conn_unsent(const struct load_conns *conns,
					const struct load_conn *conn)
{
	return conn->n_begun * conns->size - conn->sent;
}

/* Begins a message. There must be room for one. */
void load_conn_begin_message(struct load_conns *conns, struct load_conn *conn,
			     struct request request);

/* Connected for its only message, which is sent now. */
void load_conn_send_first(struct load_conns *conns, struct load_conn *conn, uint64_t now_ns);

/* The oldest message under way; there must be one. */
const struct request *load_conn_oldest(const struct load_conns *conns,
				       const struct load_conn *conn);

/* Is the oldest message back, by what was returned? */
static inline bool load_conn_has_back(const struct load_conns *conns, const struct load_conn *conn)
{
	return conn->n_back < conn->n_begun && conn->returned >= (conn->n_back + 1) * conns->size;
}

#endif
