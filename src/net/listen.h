/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets.
 *
 * What every connected socket needs is set here once: accept(2) hands the options down.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <sys/types.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "net/addr.h"

/*
 * How many completed connections the kernel keeps for us while we are busy. A burst beyond it waits
 * a second or more for its SYN to be sent again. The kernel cuts it to net.core.somaxconn.
 */
#define LISTEN_BACKLOG 4096

/* How long a receive waits on a connected socket that was accepted from ours (net/io.h). */
#define LISTEN_PATIENCE_NS (100 * CLOCK_NS_PER_MS)

/*
 * Opens a non-blocking, close-on-exec listening socket.
 *
 *   SO_REUSEADDR    a restart binds at once, though old connections rest in TIME_WAIT (UNP 7.5)
 *   SO_RCVTIMEO     LISTEN_PATIENCE_NS: who sleeps in a receive looks up now and then
 *   IPV6_V6ONLY off the wildcard takes IPv4 too
 *
 * and what every connection needs (net/options.h).
 *
 * A socket left behind by a server that is dead (nobody accepts there) is replaced; the path of one
 * that is alive, or of anything else, is -EADDRINUSE. Returns the descriptor, which is the
 * caller's, or -errno.
 */
MUST_USE int listen_open(const struct addr *addr);

/*
 * Makes a listening socket that we were given into one as listen_open() makes them: takes a
 * descriptor, checks that it is a stream socket (IPv4, IPv6, unix) that listens, sets what can be
 * set on a socket that is bound, and opens its queue, which the last server may have shut. Whether
 * [::] takes IPv4 too was decided when it was bound. Returns 0, -EBADF, ERR_NO_LISTENER or -errno.
 */
MUST_USE int listen_adopt(int fd);

/* Opens the queue again: for whoever else has this socket. */
void listen_open_queue(int fd);

/*
 * Shuts the queue: who is in it can still be accepted, but no more come in, except one into an
 * empty queue. The last step before closing. Who is kept out tries again until the socket is
 * closed.
 */
void listen_shut_queue(int fd);

/* Which file a path was when we made it; a zeroed one is none. */
struct listen_path {
	dev_t device;
	ino_t inode;
};

/* What the path of a unix listening socket is now: to be asked when it has just been opened. */
struct listen_path listen_path_of(const struct addr *addr);

/*
 * Removes the path of a unix listening socket, if it is still the file that we made: somebody may
 * have removed it and another server bound it. Of other sockets there is nothing to remove. Returns
 * 0, or -errno when the file is still there.
 */
MUST_USE int listen_remove_path(const struct addr *addr, struct listen_path made);

#endif
