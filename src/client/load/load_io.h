/* SPDX-License-Identifier: MIT */
/*
 * What happens on the lanes of one thread's load: connecting, sending, receiving, comparing, and
 * how a connection ends. When what happens is for client/load/load.h.
 */
#ifndef CLIENT_LOAD_LOAD_IO_H
#define CLIENT_LOAD_LOAD_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "client/diagnosis.h"
#include "client/load/load_conn.h"
#include "client/load/load.h"
#include "client/timer_heap.h"
#include "net/io.h"
#include "net/poller.h"

/* Sent at a time. */
#define LOAD_IO_PIECE ((size_t)64 * 1024)

/*
 * Received at a time: a little more, so that a message of a whole piece is not asked after again.
 * Behind it there is room for what a diagnosis waits for.
 */
#define LOAD_IO_RECEIVE (LOAD_IO_PIECE + 64)

/* Latest standstills of a thread that are remembered: no wait lasts through many more. */
#define LOAD_IO_GAPS 32

/* A thread was stopped, preempted or suspended until then. */
struct gap {
	uint64_t until_ns, length_ns;
};

struct load_io {
	struct load *load;
	const struct load_plan *plan;
	struct load_conns conns;
	struct poller poller;
	struct timer_heap timers; /* when each lane is looked after next, or before */

	uint64_t now_ns;               /* as of the latest look at the clock */
	uint64_t begin_ns, end_ns;     /* what is due in between counts; 0: not known yet */
	uint64_t give_up_ns;           /* after that no message begins, whatever is owed */
	struct gap gaps[LOAD_IO_GAPS]; /* a ring */
	uint64_t n_gaps;               /* ever */
	uint64_t wait_ns;              /* plan->wait_ns, CLOCK_NEVER if it is off */
	uint64_t connected_ns;         /* when a connection was opened last */
	uint64_t n_backlog;            /* of all lanes */
	uint64_t n_numbers;            /* connections that have been begun */
	uint32_t n_connecting, n_finishing, n_gone;
	uint32_t n_queueing;  /* of those connecting: without a socket, the unix queue is full */
	uint32_t n_in_flight; /* messages, of all lanes */
	bool has_echoed;      /* some message has come back whole */

	IO_ALIGNED unsigned char piece[LOAD_IO_RECEIVE];
};

/*
 * What is owed may be owed for ever: the server does not come back, or cannot keep up. Some time
 * after the end nothing more begins.
 */
static inline bool load_io_past_grace(const struct load_io *io)
{
	return io->end_ns != 0 && io->now_ns > io->give_up_ns;
}

/* The place of a lane among those of its thread, from 0. */
static inline uint32_t load_io_index(const struct load_io *io, const struct load_conn *conn)
{
	return (uint32_t)(conn - io->conns.list);
}

/* Does a message that is due then count? */
bool load_io_counts(const struct load_io *io, uint64_t due_ns);

/* Open loop: when the k-th message of a lane is due. */
uint64_t load_io_due_ns(const struct load_io *io, const struct load_conn *conn, uint64_t k);

/* Open loop: how many of a lane's messages are due before a time. */
uint64_t load_io_due_before(const struct load_io *io, const struct load_conn *conn,
			    uint64_t time_ns);

/* Begins to connect a lane that is closed. */
void load_io_connect(struct load_io *io, struct load_conn *conn);

/* Tries again to connect the lanes that wait for room in the queue of a unix socket. */
void load_io_retry(struct load_io *io);

/*
 * For a lane that has been connecting for DIAL_ATTEMPT_DELAY_NS: has another address of the server
 * looked for, or connects to that one if it has been found (RFC 8305, 5).
 */
void load_io_try_other(struct load_io *io, struct load_conn *conn);

/* Begins as many messages as there may be, and in an open loop as are owed. */
void load_io_begin(struct load_io *io, struct load_conn *conn);

/* The poller has said this of a lane. */
void load_io_event(struct load_io *io, struct load_conn *conn, uint32_t events);

/*
 * A connection failed: counts its messages as failed, or if it carried none an error of the
 * connection, and closes the lane: for a while, or for good without reconnecting.
 */
void load_io_fail(struct load_io *io, struct load_conn *conn, const char *name);

/*
 * The run ends: accounts for what is under way on a lane, and closes it. Messages that have waited
 * for longer than they may have failed, others are unfinished.
 */
void load_io_end(struct load_io *io, struct load_conn *conn);

#endif
