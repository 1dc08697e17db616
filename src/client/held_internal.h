/* SPDX-License-Identifier: MIT */
/*
 * What held.c (heartbeats, deaths), held_open.c (opening) and held_wrong.c (wrong bytes) have in
 * common. For them alone.
 */
#ifndef CLIENT_HELD_INTERNAL_H
#define CLIENT_HELD_INTERNAL_H

#include "client/held.h"

#include "base/clock.h"

#define HELD_EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static inline uint32_t held_index(const struct holding *holding, const struct held *held)
{
	return (uint32_t)(held - holding->list);
}

static inline void held_wake_at(struct holding *holding, const struct held *held, uint64_t at_ns)
{
	wakes_set(&holding->wakes, held_index(holding, held), at_ns);
}

static inline uint64_t held_timeout_ns(const struct holding *holding)
{
	uint64_t wait_ns = holding->config->wait_ns;
	bool is_endless = wait_ns == 0 || wait_ns >= CLOCK_NEVER - holding->now_ns;
	return is_endless ? CLOCK_NEVER : holding->now_ns + wait_ns;
}

/* When the heartbeat under way, or connecting, is late: if we stood still, its wait begins anew. */
static inline uint64_t held_late_ns(const struct holding *holding, const struct held *held)
{
	uint64_t since_ns = held->begun_ns, wait_ns = holding->config->wait_ns;
	since_ns = holding->resumed_ns > since_ns ? holding->resumed_ns : since_ns;
	return wait_ns != 0 ? clock_after_ns(since_ns, wait_ns) : CLOCK_NEVER;
}

static inline bool is_beating(const struct held *held)
{
	return held->returned < held->due;
}

/* ---- held.c ---- */

/* Closes a connection that died or could not be opened, and opens it again after a pause. */
void held_close(struct holding *holding, struct held *held);

/* The connection dies, as of at_ns: counts it, says so, and closes it. */
void held_die(struct holding *holding, struct held *held, enum disconnect_cause cause,
	      const char *why, uint64_t at_ns);

/* Counts a failure that was this machine's doing, if the code is one. */
void held_note_local(struct holding *holding, int code);

/* The connection is open: begins its first heartbeat. */
void held_opened(struct holding *holding, struct held *held);

/* ---- held_open.c ---- */

/* Puts a connection in the queue of those that are to be opened. */
void held_enter_queue(struct holding *holding, struct held *held);

/* Begins to connect. */
void held_open_one(struct holding *holding, struct held *held);

/* There is an outcome. */
void held_connected(struct holding *holding, struct held *held);

/* The outcome takes longer than usual, or too long. */
void held_is_late(struct holding *holding, struct held *held);

/*
 * The server has been looked for. The connection that this made becomes one that waits; those that
 * wait for an address that the server no longer has are begun anew.
 */
void held_server_dialed(struct holding *holding);

/* ---- held_wrong.c ---- */

/* Bytes from n_right on, of n, are wrong: the connection dies once it is known why. */
void held_judge_wrong(struct holding *holding, struct held *held, size_t n_right, size_t n);

/* The thread of diagnosis i is done, or must be waited for. */
void held_diagnosed(struct holding *holding, size_t i);

#endif
