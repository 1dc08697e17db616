/* SPDX-License-Identifier: MIT */
/*
 * What hold_conn.c (heartbeats, deaths), hold_open.c (opening) and hold_mismatch.c (wrong bytes)
 * have in common. For them alone.
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

static inline void hold_conn_wake_at(struct hold_set *set, const struct hold_conn *conn,
				     uint64_t at_ns)
{
	timer_heap_set(&set->timers, hold_conn_index(set, conn), at_ns);
}

static inline uint64_t hold_conn_timeout_ns(const struct hold_set *set)
{
	uint64_t wait_ns = set->config->wait_ns;
	bool is_endless = wait_ns == 0 || wait_ns >= CLOCK_NEVER - set->now_ns;
	return is_endless ? CLOCK_NEVER : set->now_ns + wait_ns;
}

/* When the heartbeat under way, or connecting, is late: if we stood still, its wait begins anew. */
static inline uint64_t hold_conn_late_ns(const struct hold_set *set, const struct hold_conn *conn)
{
	uint64_t since_ns = conn->begun_ns, wait_ns = set->config->wait_ns;
	since_ns = set->resumed_ns > since_ns ? set->resumed_ns : since_ns;
	return wait_ns != 0 ? clock_after_ns(since_ns, wait_ns) : CLOCK_NEVER;
}

static inline bool is_beating(const struct hold_conn *conn)
{
	return conn->returned < conn->due;
}

/* ---- hold_conn.c ---- */

/* Closes a connection that died or could not be opened, and opens it again after a pause. */
void hold_conn_close(struct hold_set *set, struct hold_conn *conn);

/* The connection dies, as of at_ns: counts it, says so, and closes it. */
void hold_conn_die(struct hold_set *set, struct hold_conn *conn, enum disconnect_cause cause,
		   const char *why, uint64_t at_ns);

/* Counts a failure that was this machine's doing, if the code is one. */
void hold_conn_note_local(struct hold_set *set, int code);

/* The connection is open: begins its first heartbeat. */
void hold_conn_opened(struct hold_set *set, struct hold_conn *conn);

/* ---- hold_open.c ---- */

/* Puts a connection in the queue of those that are to be opened. */
void hold_conn_enter_queue(struct hold_set *set, struct hold_conn *conn);

/* Begins to connect. */
void hold_conn_open_one(struct hold_set *set, struct hold_conn *conn);

/* There is an outcome. */
void hold_conn_connected(struct hold_set *set, struct hold_conn *conn);

/* The outcome takes longer than usual, or too long. */
void hold_conn_is_late(struct hold_set *set, struct hold_conn *conn);

/*
 * The server has been looked for. The connection that this made becomes one that waits; those that
 * wait for an address that the server no longer has are begun anew.
 */
void hold_conn_server_dialed(struct hold_set *set);

/* ---- hold_mismatch.c ---- */

/* Bytes from n_right on, of n, are wrong: the connection dies once it is known why. */
void hold_conn_judge_wrong(struct hold_set *set, struct hold_conn *conn, size_t n_right, size_t n);

/* The thread of diagnosis i is done, or must be waited for. */
void hold_conn_diagnosed(struct hold_set *set, size_t i);

#endif
