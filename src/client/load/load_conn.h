/* SPDX-License-Identifier: MIT */
/*
 * A connection slot of a load: one connection at a time, and the messages in flight on it.
 *
 *            connect                 message back (churn)
 * CLOSED ----------> CONNECTING --> OPEN ------------> FINISHING
 *   ^  ^                 |            |                    |
 *   |  `---- failed -----+------------'                    |
 *   `----------------- the server's end -------------------'
 *
 * Only counts: no function here makes a system call. Messages have one size and come back in order,
 * so two counters say which are in flight.
 *
 * Invariant: n_back <= n_begun <= n_back + depth; stream.due == n_begun * size.
 */
#ifndef CLIENT_LOAD_LOAD_CONN_H
#define CLIENT_LOAD_LOAD_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/verified_stream.h"

struct addr;

enum load_conn_state {
	LOAD_CONN_CLOSED,
	LOAD_CONN_CONNECTING,
	LOAD_CONN_OPEN,
	LOAD_CONN_FINISHING,
	LOAD_CONN_GONE
};

/* A message in flight. */
struct request {
	uint64_t due_ns;   /* scheduled send time */
	uint64_t begun_ns; /* actual send time; while connecting for it, the start of connecting */
};

struct load_conn {
	int fd;
	uint8_t state;       /* enum load_conn_state */
	bool counts_connect; /* record the connect time */
	uint32_t n_backlog;  /* open loop: messages that are due and have not begun */
	uint64_t n_taken;    /* open loop: begun messages of this slot, over all its connections */
	struct verified_stream stream; /* due: the end of the last begun message */
	uint64_t n_begun, n_back;      /* messages on this connection */
	uint64_t since_ns;     /* CONNECTING: start of it; CLOSED: earliest time to open again */
	const struct addr *to; /* CONNECTING: address being connected to */
};

/* All slots of a thread, each with a ring of messages. */
struct load_conns {
	struct load_conn *list;
	struct request *requests;
	uint32_t n, depth;
	uint32_t room; /* size of each ring: `depth` rounded up to a power of two */
	uint64_t size; /* bytes per message */
};

/* Allocates all memory. Returns 0 or -ENOMEM. */
MUST_USE int load_conns_open(struct load_conns *ret_conns, uint32_t n, uint32_t depth,
			     uint64_t size);
void load_conns_close(struct load_conns *conns);

/* Starts a new connection: the stream of this seed and number, with nothing in flight. */
void load_conn_begin_connection(struct load_conn *conn, int fd, uint64_t seed, uint64_t number);

/*
 * Returns true while it is connecting without a socket, because the queue of a unix socket is full.
 */
static inline bool load_conn_is_queueing(const struct load_conn *conn)
{
	return conn->state == LOAD_CONN_CONNECTING && conn->fd < 0;
}

static inline uint64_t load_conn_in_flight(const struct load_conn *conn)
{
	return conn->n_begun - conn->n_back;
}

/* Begins a message. The caller ensures that the ring has room. */
void load_conn_begin_message(struct load_conns *conns, struct load_conn *conn,
			     struct request request);

/* Sets the send time of the only message on a connection that has just opened. */
void load_conn_send_first(struct load_conns *conns, struct load_conn *conn, uint64_t now_ns);

/* Returns the oldest message in flight. There must be one. */
const struct request *load_conn_oldest(const struct load_conns *conns,
				       const struct load_conn *conn);

/* Returns true if all bytes of the oldest message have come back. */
static inline bool load_conn_has_back(const struct load_conns *conns, const struct load_conn *conn)
{
	return conn->n_back < conn->n_begun &&
	       conn->stream.returned >= (conn->n_back + 1) * conns->size;
}

#endif
