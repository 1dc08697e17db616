/* SPDX-License-Identifier: MIT */
/*
 * Input and output of one thread's connections: connecting, sending, receiving, comparing, and the
 * end of a connection. client/load/load.c decides when these happen.
 */
#ifndef CLIENT_LOAD_LOAD_IO_H
#define CLIENT_LOAD_LOAD_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "client/diagnosis.h"
#include "client/load/load.h"
#include "client/load/load_conn.h"
#include "client/timer_heap.h"
#include "net/io.h"
#include "net/poller.h"

/* Maximum bytes per send. */
#define LOAD_IO_SEND_MAX ((size_t)64 * 1024)

/*
 * Maximum bytes per receive. It is larger than a send, so that a message of LOAD_IO_SEND_MAX bytes
 * does not fill it, which would cause another receive.
 */
#define LOAD_IO_RECV_MAX (LOAD_IO_SEND_MAX + 64)

/* Number of recent gaps that a thread remembers. A wait rarely spans more. */
#define LOAD_IO_GAPS 32

/* A period in which the thread was stopped, preempted or suspended. */
struct gap {
	uint64_t until_ns, length_ns;
};

struct load_io {
	struct load *load;
	const struct load_plan *plan;
	struct load_conns conns;
	struct poller poller;
	struct timer_heap timers; /* per slot: when to check it again, or earlier */

	uint64_t now_ns;           /* time of the last clock read */
	uint64_t begin_ns, end_ns; /* messages due between these are measured; 0: not known yet */
	uint64_t give_up_ns;       /* no message begins after this time, even if it is due */
	struct gap gaps[LOAD_IO_GAPS]; /* a ring */
	uint64_t n_gaps;               /* total so far */
	uint64_t wait_ns;              /* plan->wait_ns; CLOCK_NEVER if that is 0 */
	uint64_t connected_ns;         /* when a connection was last opened */
	uint64_t n_backlog;            /* sum over all slots */
	uint64_t n_numbers;            /* connections begun so far */
	uint32_t n_connecting, n_finishing, n_gone;
	uint32_t n_queueing;  /* connecting without a socket: the queue of a unix socket is full */
	uint32_t n_in_flight; /* messages of all slots */
	bool has_echoed;      /* a message has come back whole */

	IO_ALIGNED unsigned char buffer[LOAD_IO_RECV_MAX];
};

/*
 * Returns true once no further message begins. A backlog may never become empty: the server does
 * not come back, or cannot keep up.
 */
static inline bool load_io_past_grace(const struct load_io *io)
{
	return io->end_ns != 0 && io->now_ns > io->give_up_ns;
}

/* Returns the index of a slot in its thread, from 0. */
static inline uint32_t load_io_index(const struct load_io *io, const struct load_conn *conn)
{
	return (uint32_t)(conn - io->conns.list);
}

/* Returns true if a message that is due then is measured. */
bool load_io_counts(const struct load_io *io, uint64_t due_ns);

/* Open loop: returns when the k-th message of a slot is due. */
uint64_t load_io_due_ns(const struct load_io *io, const struct load_conn *conn, uint64_t k);

/* Open loop: returns the number of messages of a slot that are due before a time. */
uint64_t load_io_due_before(const struct load_io *io, const struct load_conn *conn,
			    uint64_t time_ns);

/* Begins to connect a closed slot. */
void load_io_connect(struct load_io *io, struct load_conn *conn);

/* Retries to connect the slots that wait for room in the queue of a unix socket. */
void load_io_retry(struct load_io *io);

/*
 * For a slot that has been connecting for DIAL_ATTEMPT_DELAY_NS: requests another address of the
 * server, or connects to it if it is known already (RFC 8305, 5).
 */
void load_io_try_other(struct load_io *io, struct load_conn *conn);

/* Begins as many messages as `depth` allows; in an open loop, at most the backlog. */
void load_io_begin(struct load_io *io, struct load_conn *conn);

/* Handles epoll events of a slot. */
void load_io_event(struct load_io *io, struct load_conn *conn, uint32_t events);

/*
 * Handles the failure of a connection: counts its messages as failed, or a connection error if it
 * had none. Closes the slot for a pause, or for good without `reconnects`.
 */
void load_io_fail(struct load_io *io, struct load_conn *conn, const char *name);

/*
 * Handles the end of the run: counts the messages in flight on a slot and closes it. Messages that
 * have waited longer than wait_ns have failed; others are unfinished.
 */
void load_io_end(struct load_io *io, struct load_conn *conn);

#endif
