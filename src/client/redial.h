/* SPDX-License-Identifier: MIT */
/*
 * The address of a server to which many connections are made, in one loop. Where that address
 * fails, or does not answer soon, the name is looked up again and all its addresses are tried, in a
 * thread (client/dial.h); the one that answers is used from then on.
 */
#ifndef CLIENT_REDIAL_H
#define CLIENT_REDIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/dial.h"
#include "net/addr.h"

/* `request` and `addr` are the caller's to set; zeroed else. */
struct redial {
	struct dial_request request;
	struct addr addr;
	uint32_t generation;     /* of `addr`: one more with each change */
	struct dialing *dialing; /* NULL: none is under way */
	uint32_t n_failures;     /* in a row, by which the pause grows */
	uint64_t next_ns;        /* none begins before */
};

/*
 * Begins to look for the server, unless that is under way, or the pause after the last time is not
 * over. is_slow: `addr` may still answer and is left out. Returns a descriptor that is readable at
 * the end, when redial_end() must be called; or -1.
 */
MUST_USE int redial_begin(struct redial *redial, bool is_slow, uint64_t now_ns);

/* Ends it. Returns a connection to `addr`, which is the caller's, or a code. */
MUST_USE int redial_end(struct redial *redial, uint64_t now_ns);

/* Ends it without an outcome, if it is under way. */
void redial_cancel(struct redial *redial);

/* Pause after N failures in a row, from 1 on: 100 ms, doubling, 5 s at most. */
uint64_t redial_pause_ns(uint32_t n_failures);

#endif
