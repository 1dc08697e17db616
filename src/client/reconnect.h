/* SPDX-License-Identifier: MIT */
/*
 * One more connection to a server that was connected to before, for a client that waits by poll(2).
 *
 * The address that answered last is tried first. If that fails, or has not answered after
 * DIAL_ATTEMPT_DELAY_NS, the name is looked up again and its other addresses are tried, in a thread
 * (client/dial.h); the first connection that succeeds is used. So a server that moved to another
 * address is found, and an address that died costs a fraction of a second. Where no address
 * answers, there is a growing pause between look-ups, in which only the known address is tried.
 *
 * A unix socket has no other address. If its queue is full, it is asked again until the timeout.
 */
#ifndef CLIENT_RECONNECT_H
#define CLIENT_RECONNECT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/dial.h"
#include "client/own_limit.h"
#include "net/addr.h"

struct reconnect {
	struct dial_request request; /* timeout_ns: for one connection, the look-up included */
	struct addr addr;            /* of the last connection that succeeded */
	bool is_dead;                /* `addr` failed since then: the name is looked up at once */
	uint32_t n_failures;         /* look-ups in a row that found no server */
	uint64_t next_ns;            /* none begins before: redial_pause_ns() after the last */

	struct own_use *use; /* notes how long calls of connect(2) take */

	/* An attempt that is under way. */
	int fd; /* to `addr`; -1: none */
	int code;
	uint64_t retry_ns; /* the queue of a unix socket is full: when to ask again; 0: it is not */
	uint64_t start_ns, deadline_ns;
	bool has_dialed;
	struct dialing *dialing; /* NULL: none */
};

/* Number of descriptors to wait for. */
#define RECONNECT_FDS 2

/* Begins an attempt; the last one has ended. `fd` must be -1 at first. */
void reconnect_begin(struct reconnect *reconnect);

/* What to wait for, and until when; then reconnect_check() must be called. */
void reconnect_pollfds(const struct reconnect *reconnect, struct pollfd ret_fds[RECONNECT_FDS]);
uint64_t reconnect_until_ns(const struct reconnect *reconnect);

/*
 * Looks for the outcome. Returns true at the end of the attempt, with *ret_dialed as of dial():
 * the connection, which is the caller's, or a code. took_ns is the time since reconnect_begin().
 */
MUST_USE bool reconnect_check(struct reconnect *reconnect, struct dialed *ret_dialed);

/* The process stood still until now: its timeout begins anew. */
void reconnect_resume(struct reconnect *reconnect, uint64_t now_ns);

/* Ends an attempt that is under way. */
void reconnect_cancel(struct reconnect *reconnect);

#endif
