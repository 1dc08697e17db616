/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a server by its name: every address in turn (UNP 11.11), and what to say when none
 * of them answers.
 */
#ifndef CLIENT_DIAL_H
#define CLIENT_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/status.h"
#include "net/addr.h"

/* How long one address may take to answer when nobody said how long. */
#define DIAL_TIMEOUT_NS (10 * CLOCK_NS_PER_S)

/*
 * Connects to the first address of the server that answers; of one family, or AF_UNSPEC. All of
 * them together have timeout_ns, once the name is looked up; with 0, each has DIAL_TIMEOUT_NS. The
 * address goes to *ret_addr, and how long that one took to *ret_took_ns, where they are not NULL.
 * Returns a connected, non-blocking socket, the caller's (net/connect.h); or the negative code of
 * the last address, or of the look-up.
 */
MUST_USE int dial(const struct addr_spec *server, int family, uint64_t timeout_ns,
		  struct addr *ret_addr, uint64_t *ret_took_ns);

/* Says why dial() returned that code, and what may help. Returns the exit status for it. */
enum status dial_explain(const struct addr_spec *server, int code);

/*
 * Can this process have so many connections, and n_beside descriptors besides? Raises the soft
 * limit if that is needed; if it is not enough, says so and returns false.
 */
MUST_USE bool dial_has_room(uint64_t n_connections, uint64_t n_beside);

#endif
