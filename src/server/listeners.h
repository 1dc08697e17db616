/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets of a server: one for each address.
 */
#ifndef SERVER_LISTENERS_H
#define SERVER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "net/addr.h"
#include "net/listen.h"

/* Maximum addresses; a host name can resolve to several. */
#define LISTENERS_MAX 64

struct listener {
	int fd; /* -1 when closed */
	struct addr addr;
	struct listen_path path; /* path of a unix socket that we created */
	bool is_dispatch;        /* the supervisor passes clients here (dispatch.h) */
	bool is_passed;          /* another program opened it and may keep using it */
};

/* A zeroed struct has no socket. */
struct listeners {
	struct listener list[LISTENERS_MAX];
	size_t n;
};

/*
 * The addresses of a list of specs, in order. The addresses of spec i end before list[ends[i]]. A
 * zeroed struct has none.
 */
struct listen_addresses {
	struct addr list[LISTENERS_MAX];
	size_t n;
	const struct addr_spec *specs[LISTENERS_MAX];
	size_t ends[LISTENERS_MAX];
	size_t n_specs;
};

/*
 * Resolves a spec and appends its addresses: for the wildcard that is [::]. Blocks until the
 * resolver returns. Returns 0, ERR_TOO_MANY_ADDRESSES or a code of addr_resolve(). The spec must
 * outlive the list.
 */
MUST_USE int listeners_look_up(struct listen_addresses *addresses, const struct addr_spec *spec);

/*
 * Opens the sockets of spec i (listen_open_all()) and adds them. [::] accepts IPv4 too, unless
 * 0.0.0.0 is listed with the same port.
 *
 * Returns 0, or ERR_GIVEN_TWICE if an address is open already or is included in one that is,
 * ERR_TOO_MANY_ADDRESSES, or a code of listen_open_all(). On failure none was added.
 */
MUST_USE int listeners_add(struct listeners *listeners, const struct listen_addresses *addresses,
			   size_t i);

/*
 * Adds a listening socket that was passed to us, and takes ownership of the descriptor. Returns 0,
 * or a negative code of listen_adopt(), ERR_PASSED_TWICE or ERR_TOO_MANY_ADDRESSES.
 */
MUST_USE int listeners_adopt(struct listeners *listeners, int fd);

/* Closes a socket. Removes the path of a unix socket that we created. */
void listener_close(struct listener *listener);

/* Removes that path before the close: from then on another server may listen there. */
void listener_remove_path(struct listener *listener);

/*
 * In a worker: marks paths and passed sockets as the supervisor's, so that the worker leaves them
 * alone.
 */
void listeners_disown(struct listeners *listeners);

/* Returns whether any socket is still open. */
bool listeners_any_open(const struct listeners *listeners);

/* Closes all sockets; their number does not change. */
void listeners_close(struct listeners *listeners);

#endif
