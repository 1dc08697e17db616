/* SPDX-License-Identifier: MIT */
/*
 * Opens another connection to a server that was connected before, for a client that waits with
 * poll(2).
 *
 * The address that answered last is tried first. If it fails, or has not answered after
 * DIAL_ATTEMPT_DELAY_NS, the name is looked up again and its other addresses are tried, in a thread
 * (client/dial.h). The first connection that succeeds is used. A server that moved to another
 * address is therefore found, and a dead address costs a fraction of a second. If no address
 * answers, the pause between lookups grows; during a pause only the known address is tried.
 *
 * A unix socket has no other address. If its queue is full, connecting is retried until the
 * timeout.
 */
#ifndef CLIENT_RECONNECT_H
#define CLIENT_RECONNECT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/bottleneck.h"
#include "client/dial.h"
#include "net/addr.h"

struct reconnect {
	struct dial_request request; /* timeout_ns: for one connection, including the lookup */
	struct addr addr;            /* address of the last connection that succeeded */
	bool has_addr_failed;        /* `addr` has failed since: the name is looked up at once */
	uint32_t n_failures;         /* consecutive lookups that found no server */
	uint64_t next_ns;            /* earliest time of the next lookup, after redial_pause_ns() */

	struct bottleneck_usage *use; /* records the duration of connect(2) calls */

	/* The attempt in progress. */
	int fd; /* connecting to `addr`; -1: none */
	int code;
	uint64_t retry_ns; /* queue of a unix socket full: time of the next try; 0: it is not */
	uint64_t start_ns, deadline_ns;
	bool has_dialed;
	struct dialing *dialing; /* NULL: none */
};

/* Number of descriptors to poll. */
#define RECONNECT_FDS 2

/* Begins an attempt. The previous attempt has ended. `fd` must be -1 before the first. */
void reconnect_begin(struct reconnect *reconnect);

/* Returns the descriptors to poll and the deadline. Afterwards call reconnect_check(). */
void reconnect_pollfds(const struct reconnect *reconnect, struct pollfd ret_fds[RECONNECT_FDS]);
uint64_t reconnect_until_ns(const struct reconnect *reconnect);

/*
 * Checks for the outcome. Returns true at the end of the attempt, with *ret_dialed as from dial():
 * the connection, owned by the caller, or a code. took_ns is the time since reconnect_begin().
 */
MUST_USE bool reconnect_check(struct reconnect *reconnect, struct dialed *ret_dialed);

/* Restarts the timeout, because the process was stopped until now. */
void reconnect_resume(struct reconnect *reconnect, uint64_t now_ns);

/* Cancels an attempt in progress. */
void reconnect_cancel(struct reconnect *reconnect);

#endif
