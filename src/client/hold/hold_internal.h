/* SPDX-License-Identifier: MIT */
/*
 * Shared by hold_conn.c (heartbeats, disconnects), hold_open.c (opening) and hold_mismatch.c (wrong
 * bytes) only.
 */
#ifndef CLIENT_HOLD_HOLD_INTERNAL_H
#define CLIENT_HOLD_HOLD_INTERNAL_H

#include "client/hold/hold_conn.h"

#include "base/clock.h"

#define HOLD_EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static inline uint32_t hold_conn_index(const struct hold_set *set, const struct hold_conn *conn)
{
	return (uint32_t)(conn - set->list);
}

static inline void hold_conn_set_timer(struct hold_set *set, const struct hold_conn *conn,
				       uint64_t at_ns)
{
	timer_heap_set(&set->timers, hold_conn_index(set, conn), at_ns);
}

static inline uint64_t hold_conn_new_deadline_ns(const struct hold_set *set)
{
	uint64_t wait_ns = set->config->wait_ns;
	bool is_endless = wait_ns == 0 || wait_ns >= CLOCK_NEVER - set->now_ns;
	return is_endless ? CLOCK_NEVER : set->now_ns + wait_ns;
}

/*
 * Returns when the heartbeat in flight, or connecting, times out. If this process was stopped for
 * long, the wait starts again at resumed_ns.
 */
static inline uint64_t hold_conn_deadline_ns(const struct hold_set *set,
					     const struct hold_conn *conn)
{
	uint64_t since_ns = conn->begun_ns, wait_ns = set->config->wait_ns;
	since_ns = set->resumed_ns > since_ns ? set->resumed_ns : since_ns;
	return wait_ns != 0 ? clock_after_ns(since_ns, wait_ns) : CLOCK_NEVER;
}

static inline bool has_heartbeat_in_flight(const struct hold_conn *conn)
{
	return stream_outstanding(&conn->stream) > 0;
}

/* ---- hold_conn.c ---- */

/* Closes a connection that failed or could not be opened. It is opened again after a pause. */
void hold_conn_close(struct hold_set *set, struct hold_conn *conn);

/* Handles a disconnect at at_ns: counts it, prints it, and closes the connection. */
void hold_conn_disconnect(struct hold_set *set, struct hold_conn *conn, enum disconnect_cause cause,
			  const char *why, uint64_t at_ns);

/* Counts a failure if its code says that this machine caused it. */
void hold_conn_count_local_failure(struct hold_set *set, int code);

/* Marks the connection as open and begins its first heartbeat. */
void hold_conn_opened(struct hold_set *set, struct hold_conn *conn);

/* ---- hold_open.c ---- */

/* Puts a connection into the queue of those to be opened. */
void hold_conn_enter_queue(struct hold_set *set, struct hold_conn *conn);

/* Begins to connect a queued connection. */
void hold_conn_open_one(struct hold_set *set, struct hold_conn *conn);

/* Handles the outcome of connect(2). */
void hold_conn_handle_connect(struct hold_set *set, struct hold_conn *conn);

/* Handles an attempt that takes longer than DIAL_ATTEMPT_DELAY_NS, or than the timeout. */
void hold_conn_handle_slow_connect(struct hold_set *set, struct hold_conn *conn);

/*
 * Handles the end of a redial. Its connection, if any, goes to the first held connection that is
 * not open. Attempts that are slow and go to a previous address of the server start again.
 */
void hold_conn_handle_redial(struct hold_set *set);

/* ---- hold_mismatch.c ---- */

/*
 * Handles wrong bytes from n_right to n: starts a diagnosis, after which the connection is closed.
 */
void hold_conn_handle_mismatch(struct hold_set *set, struct hold_conn *conn, size_t n_right,
			       size_t n);

/* Ends diagnosis i, waiting for its thread if necessary. */
void hold_conn_handle_diagnosis(struct hold_set *set, size_t i);

#endif
