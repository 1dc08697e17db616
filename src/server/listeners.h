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
#define LISTENERS_MOST 64

struct listener {
	int fd; /* -1 when it is closed */
	struct addr addr;
	struct listen_path path; /* of a unix socket that we made */
	bool is_passed;          /* somebody else made it, and may go on with it */
};

/* A zeroed one has none. */
struct listeners {
	struct listener list[LISTENERS_MOST];
	size_t n;
};

/*
 * Opens the sockets of one spec and adds them: of the wildcard one, [::] taking IPv4 too, or
 * 0.0.0.0 where IPv6 is off; of a name one for each of its addresses, all on the same port, but for
 * those that this machine does not have, as long as it has one. Returns 0, or a negative code of
 * addr_resolve() or listen_open(), and then none was added.
 */
MUST_USE int listeners_add(struct listeners *listeners, const struct addr_spec *spec);

/*
 * Adds a listening socket that we were passed, and takes its descriptor. Returns 0, or a negative
 * code of listen_adopt(), and -EMFILE when there are too many.
 */
MUST_USE int listeners_adopt(struct listeners *listeners, int fd);

/* Lets in no more clients than those who are queued already: the last step before closing. */
void listeners_shut_queues(const struct listeners *listeners);

/*
 * Closes one for good. The path of a unix socket that we made goes with it; the queue of a socket
 * that was passed is opened again, for whoever made it.
 */
void listener_close(struct listener *listener);

/* Is there one that still listens? */
bool listeners_any_open(const struct listeners *listeners);

void listeners_close(struct listeners *listeners);

#endif
