/* SPDX-License-Identifier: MIT */
/*
 * The state of one thread of a load. It is private to the thread and to three files:
 *
 *   load_loop.c    when something happens: schedule, deadlines, the end
 *   load_io.c      what happens: connect, send, receive, compare
 *   accounting.c   which count each message goes to
 */
#ifndef CLIENT_LOAD_LOAD_THREAD_H
#define CLIENT_LOAD_LOAD_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/load/load.h"
#include "client/load/load_conn.h"
#include "client/timer_heap.h"
#include "net/io.h"
#include "net/poller.h"

/* Maximum bytes per send. */
#define LOAD_SEND_MAX ((size_t)64 * 1024)

/*
 * Maximum bytes per receive. It is larger than a send, so that a message of LOAD_SEND_MAX bytes
 * does not fill it, which would cause another receive.
 */
#define LOAD_RECV_MAX (LOAD_SEND_MAX + 64)

/* Number of recent gaps that a thread remembers. A wait rarely spans more. */
#define LOAD_GAPS 32

/* A period in which the thread was stopped, preempted or suspended. */
struct gap {
	uint64_t until_ns, length_ns;
};

struct load_thread {
	struct load *load; /* shared with the main thread */
	const struct load_plan *plan;
	struct load_conns conns;
	struct poller poller;
	struct timer_heap timers; /* per slot: when to check it again, or earlier */

	uint64_t now_ns;            /* time of the last clock read */
	uint64_t begin_ns, end_ns;  /* messages due between these are measured; 0: not known yet */
	uint64_t give_up_ns;        /* no message begins after this time, even if it is due */
	struct gap gaps[LOAD_GAPS]; /* a ring */
	uint64_t n_gaps;            /* total so far */
	uint64_t wait_ns;           /* plan->wait_ns; CLOCK_NEVER if that is 0 */
	uint64_t connected_ns;      /* when a connection was last opened */
	uint64_t n_backlog;         /* sum over all slots */
	uint64_t n_numbers;         /* connections begun so far */
	uint32_t n_connecting, n_finishing, n_gone;
	uint32_t n_queueing;  /* connecting without a socket: the queue of a unix socket is full */
	uint32_t n_in_flight; /* messages of all slots */
	bool has_echoed;      /* a message has come back whole */

	/* For load_loop.c only. */
	struct poller_events events;
	uint64_t next_tick_ns;
	uint64_t next_retry_ns;    /* for slots waiting for room in the queue of a unix socket */
	uint64_t next_interval_ns; /* end of the current second; CLOCK_NEVER: not measuring yet */
	uint64_t grace_ends_ns;    /* the run was ended early: end of GRACE_NS; 0: it was not */
	uint64_t before_wait_ns;   /* time before the last wait: what had arrived by then is read */
	uint64_t n_released;       /* open loop: messages that have fallen due */
	uint32_t next_to_open, next_to_begin;
	bool is_ready, is_measuring;

	IO_ALIGNED unsigned char buffer[LOAD_RECV_MAX];
};

/* Returns the index of a slot in its thread, from 0. */
static inline uint32_t load_conn_index(const struct load_thread *thread,
				       const struct load_conn *conn)
{
	return (uint32_t)(conn - thread->conns.list);
}

/* Returns true if a message that is due then is measured. */
static inline bool load_is_measured(const struct load_thread *thread, uint64_t due_ns)
{
	return thread->end_ns != 0 && due_ns >= thread->begin_ns && due_ns < thread->end_ns;
}

/*
 * Returns true once no further message begins. A backlog may never become empty: the server does
 * not come back, or cannot keep up.
 */
static inline bool load_is_past_grace(const struct load_thread *thread)
{
	return thread->end_ns != 0 && thread->now_ns > thread->give_up_ns;
}

/* Returns the index of a slot over all threads, from 0, as in client/load/schedule.h. */
static inline uint64_t load_conn_index_in_run(const struct load_thread *thread,
					      const struct load_conn *conn)
{
	return load_conn_index(thread, conn) * thread->plan->n_threads + thread->load->number;
}

/* Open loop: returns when the k-th message of a slot is due. */
static inline uint64_t load_due_ns(const struct load_thread *thread, const struct load_conn *conn,
				   uint64_t k)
{
	return schedule_due_ns(&thread->plan->schedule, load_conn_index_in_run(thread, conn), k);
}

#endif
