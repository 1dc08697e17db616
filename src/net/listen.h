/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets.
 *
 * What every connected socket needs is set here once: accept(2) hands the options down.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
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
 *   SO_RCVTIMEO     LISTEN_PATIENCE_NS: bound of a blocking receive on a connected socket
 *   IPV6_V6ONLY off the wildcard takes IPv4 too
 *
 * and what every connection needs (net/options.h).
 *
 * The path of a unix socket is bound while its directory is locked (flock(2)), so that of several
 * servers that start at the same time exactly one gets it. A socket that a dead server left behind
 * (connecting is refused) is replaced; the path of a live server, or any other file, is
 * -EADDRINUSE. A stale socket is not replaced without the lock: then the error is that of the lock,
 * -EAGAIN if another process holds it for LISTEN_LOCK_NS. -EINTR: SIGINT or SIGTERM is pending.
 *
 * Returns the descriptor, which is the caller's, or a code of addr_error(). For port 0,
 * ERR_NO_FREE_PORT instead of -EADDRINUSE.
 */
MUST_USE int listen_open(const struct addr *addr);

/* How long to wait for the lock of a directory. Servers hold it for some microseconds. */
#define LISTEN_LOCK_NS (2 * CLOCK_NS_PER_S)

/* The same for IPv6 alone: another socket may have the port for IPv4. */
MUST_USE int listen_open_ipv6_only(const struct addr *addr);

/*
 * The same for every interface: [::], which takes IPv4 too; 0.0.0.0 where IPv6 is not in use
 * (machine_has_ipv6()) or such a socket cannot be had.
 */
MUST_USE int listen_open_wildcard(uint16_t port);

/* Does a listening socket bound to [::] take IPv4 too? Asks the kernel. */
bool listen_takes_ipv4(int fd);

/*
 * Makes a listening socket that we were given into one as listen_open() makes them: takes a
 * descriptor, checks that it is a stream socket (TCP or unix) that listens, sets what can be set on
 * a socket that is bound, and opens its queue, which the last server may have shut. Whether [::]
 * takes IPv4 too was decided when it was bound. Returns 0, -EBADF, ERR_NO_LISTENER, ERR_NOT_TCP or
 * -errno.
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
