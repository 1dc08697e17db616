/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets of a server: one for each address that it was given.
 */
#ifndef SERVER_LISTENERS_H
#define SERVER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "net/addr.h"
#include "net/listen.h"

/* Addresses at most; a name can stand for several. */
#define LISTENERS_MAX 64

struct listener {
	int fd; /* -1 when it is closed */
	struct addr addr;
	struct listen_path path; /* of a unix socket that we made */
	bool is_dispatch;        /* not one, but where the supervisor passes clients (dispatch.h) */
	bool is_passed;          /* somebody else made it, and may go on with it */
};

/* A zeroed one has none. */
struct listeners {
	struct listener list[LISTENERS_MAX];
	size_t n;
};

/*
 * The addresses that a list of specs stands for, in their order: those of the i-th spec end before
 * list[ends[i]]. A zeroed one has none.
 */
struct listen_addresses {
	struct addr list[LISTENERS_MAX];
	size_t n;
	const struct addr_spec *specs[LISTENERS_MAX];
	size_t ends[LISTENERS_MAX];
	size_t n_specs;
};

/*
 * Looks a spec up and appends its addresses: for the wildcard that is [::]. Blocks as long as the
 * resolver does. Returns 0, ERR_TOO_MANY_ADDRESSES or a code of addr_resolve(). The spec must
 * outlive the list.
 */
MUST_USE int listeners_look_up(struct listen_addresses *addresses, const struct addr_spec *spec);

/*
 * Opens the sockets of the i-th spec of a list (listen_open_all()) and adds them. [::] takes IPv4
 * too, unless 0.0.0.0 is given as well, with the same port.
 *
 * Returns 0, or ERR_GIVEN_TWICE if an address is open already or is included in one that is,
 * ERR_TOO_MANY_ADDRESSES, or a code of listen_open_all(). Then none was added.
 */
MUST_USE int listeners_add(struct listeners *listeners, const struct listen_addresses *addresses,
			   size_t i);

/*
 * Adds a listening socket that we were passed, and takes its descriptor. Returns 0, or a negative
 * code of listen_adopt(), ERR_PASSED_TWICE or ERR_TOO_MANY_ADDRESSES.
 */
MUST_USE int listeners_adopt(struct listeners *listeners, int fd);

/* Closes one for good. The path of a unix socket that we made goes with it. */
void listener_close(struct listener *listener);

/* Removes that path before: another server may listen there from then on. */
void listener_remove_path(struct listener *listener);

/* In a worker: paths, and who passed the sockets, are the supervisor's affair. */
void listeners_disown(struct listeners *listeners);

/* Is there one that still listens? */
bool listeners_any_open(const struct listeners *listeners);

/* Closes all of them; their number stays. */
void listeners_close(struct listeners *listeners);

#endif
