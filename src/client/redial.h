/* SPDX-License-Identifier: MIT */
/*
 * The address of a server to which a loop opens many connections. If the address fails, or does not
 * answer soon, the name is looked up again and all its addresses are tried, in a thread
 * (client/dial.h). The address that answers is used from then on.
 */
#ifndef CLIENT_REDIAL_H
#define CLIENT_REDIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/dial.h"
#include "net/addr.h"

/* The caller sets `request` and `addr`; the rest is zeroed. */
struct redial {
	struct dial_request request;
	struct addr addr;
	uint32_t generation;     /* incremented with each change of `addr` */
	struct dialing *dialing; /* NULL: none in progress */
	uint32_t n_failures;     /* consecutive failures, which determine the pause */
	uint64_t next_ns;        /* earliest time of the next lookup */
};

/*
 * Begins to look up the server, unless a lookup is in progress or the pause after the previous
 * lookup is not over. is_slow: `addr` may still answer and is left out. Returns a descriptor that
 * becomes readable at the end, when redial_end() must be called; or -1.
 */
MUST_USE int redial_begin(struct redial *redial, bool is_slow, uint64_t now_ns);

/* Ends the lookup. Returns a connection to `addr`, owned by the caller, or a negative code. */
MUST_USE int redial_end(struct redial *redial, uint64_t now_ns);

/* Cancels a lookup in progress. */
void redial_cancel(struct redial *redial);

/* Returns the pause after N consecutive failures, N >= 1: 100 ms, doubling up to 5 s. */
uint64_t redial_pause_ns(uint32_t n_failures);

#endif
