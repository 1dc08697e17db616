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
#define LISTEN_RETRY_NS (100 * CLOCK_NS_PER_MS)

/*
 * Opens a non-blocking, close-on-exec listening socket.
 *
 *   SO_REUSEADDR    a restart binds at once, though old connections rest in TIME_WAIT (UNP 7.5)
 *   SO_RCVTIMEO     LISTEN_RETRY_NS: bound of a blocking receive on a connected socket
 *   IPV6_V6ONLY off the wildcard takes IPv4 too
 *
 * and what every connection needs (net/sockopt.h).
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
 * (sysinfo_has_ipv6()) or such a socket cannot be had.
 */
MUST_USE int listen_open_wildcard(uint16_t port);

/* Does a listening socket bound to [::] take IPv4 too? Asks the kernel. */
bool listen_takes_ipv4(int fd);

/*
 * Makes a listening socket that we were given into one as listen_open() makes them: takes a
 * descriptor, checks that it is a stream socket (TCP or unix) that listens, sets what can be set on
 * a socket that is bound, and resumes it, as the last server may have stopped it. Whether [::]
 * takes IPv4 too was decided when it was bound. Returns 0, -EBADF, ERR_NO_LISTENER, ERR_NOT_TCP or
 * -errno.
 */
MUST_USE int listen_adopt(int fd);

/*
 * Stops new connections, for every process that has the socket. Connections in the accept queue can
 * still be accepted, and so can TCP handshakes that have begun, once they finish. No right is
 * needed.
 *
 *   TCP   The socket is bound to a network interface that does not exist (SO_BINDTOIFINDEX): SYNs
 *         no longer find it and are refused. For good: to bind it again takes CAP_NET_RAW.
 *   unix  It is shut down for reading: connect(2) is refused, for good. From then on poll(2)
 *         always calls the socket readable: only accept(2) shows whether its queue is empty.
 *
 * A socket that was passed in must be of use again (is_passed):
 *
 *   TCP   Segments must come with a TTL of 255 (IP_MINTTL, IPV6_MINHOPCOUNT), as hardly any does:
 *         SYNs are dropped, and sent again a second later. Handshakes that have begun are not
 *         asked. An accepted socket inherits it: see listen_release(). So are all sockets stopped
 *         by a kernel before 5.7.
 *   unix  The queue is made as short as possible: one connection.
 *
 * Returns whether poll(2) does not show any more if its queue is empty.
 *
 * Not stopped are connections that the kernel keeps no state of (SYN cookies, in a SYN flood), and
 * on a socket that was passed in, neighbours that send with a TTL of 255.
 */
bool listen_stop(int fd, int family, bool is_passed);

/* Undoes listen_stop() of a socket that was passed in. */
void listen_resume(int fd, int family);

/* Of a connected socket that was accepted after listen_stop(): it takes segments of any TTL. */
void listen_release(int fd, int family);

/*
 * Has the kernel ever dropped a connection request, or the end of a handshake, because the queue
 * was full? Then clients may believe that they are connected, and try again in a second.
 */
bool listen_was_overrun(int fd);

/* Which file a path was when we made it; a zeroed one is none. */
struct listen_path {
	dev_t device;
	ino_t inode;
};

/* What the path of a unix listening socket is now: to be asked when it has just been opened. */
struct listen_path listen_path_of(const struct addr *addr);

/*
 * Removes the path of a unix listening socket, if it is still the file that we made: somebody may
 * have removed it and another server bound it. Other sockets have no path. Returns 0, or -errno if
 * the file is still there, or may be: a directory of the path cannot be searched (EACCES).
 */
MUST_USE int listen_remove_path(const struct addr *addr, struct listen_path made);

#endif
