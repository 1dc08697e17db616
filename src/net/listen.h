/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets. Options that every connected socket needs are set here once, because accept(2)
 * passes them on.
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
 * Length of the accept queue. A connection in a burst beyond it waits a second or more, until its
 * SYN is sent again. The kernel limits the value to net.core.somaxconn.
 */
#define LISTEN_BACKLOG 4096

/* Receive timeout of a connected socket accepted from ours (net/io.h). */
#define LISTEN_RETRY_NS (100 * CLOCK_NS_PER_MS)

/*
 * Opens a non-blocking, close-on-exec listening socket with the options of sockopt_set_connection()
 * and:
 *
 *   SO_REUSEADDR    a restart can bind at once, although old connections are in TIME_WAIT (UNP 7.5)
 *   SO_RCVTIMEO     LISTEN_RETRY_NS: receive timeout of each connected socket
 *   IPV6_V6ONLY off the wildcard accepts IPv4 too
 *
 * The path of a unix socket is bound while its directory is locked (flock(2)), so that exactly one
 * of several servers that start at the same time gets it. A socket file of a dead server
 * (connect(2) is refused) is replaced. If the server is alive, or the path is any other file, the
 * error is -EADDRINUSE. Without the lock a stale socket is not replaced: the error is that of the
 * lock, -EAGAIN if another process holds it for LISTEN_LOCK_NS. -EINTR: SIGINT or SIGTERM is
 * pending.
 *
 * Returns the descriptor, which the caller closes, or a code of addr_error(). For port 0,
 * ERR_NO_FREE_PORT instead of -EADDRINUSE.
 */
MUST_USE int listen_open(const struct addr *addr);

/* Maximum wait for the lock of a directory. Servers hold the lock for some microseconds. */
#define LISTEN_LOCK_NS (2 * CLOCK_NS_PER_S)

/* The same for IPv6 only: another socket may use the port for IPv4. */
MUST_USE int listen_open_ipv6_only(const struct addr *addr);

/*
 * The same for every interface: [::], which accepts IPv4 too. 0.0.0.0 if IPv6 is not in use
 * (sysinfo_has_ipv6()) or an IPv6 socket cannot be opened.
 */
MUST_USE int listen_open_wildcard(uint16_t port);

/*
 * Opens a listening socket for each of n addresses of a spec, as found by
 * addr_resolve(). All use the same port; for port 0, one that is free on each address. Addresses
 * that this machine does not have are skipped, as long as it has at least one. A wildcard spec has
 * no addresses and gets one socket (listen_open_wildcard()).
 *
 * Writes the descriptors, which the caller closes, and returns their number (1..ADDR_MAX_RESOLVED).
 * On failure none is open: returns a code of listen_open(), or ERR_NO_FREE_PORT for port 0.
 */
MUST_USE int listen_open_all(const struct addr_spec *spec, const struct addr *list, int n,
			     int ret_fds[ADDR_MAX_RESOLVED]);

/*
 * Returns what the user can do about a failed address, " (...)" to print after err_text(), or "".
 */
struct listen_remedy {
	char text[128];
};
struct listen_remedy listen_remedy(int code, const struct addr_spec *spec);

/* Asks the kernel whether a listening socket bound to [::] accepts IPv4 too. */
bool listen_takes_ipv4(int fd);

/*
 * Prepares an inherited listening socket for use as one of listen_open(). Checks that it is a
 * listening stream socket (TCP or unix) and sets the options that can be set after bind(2). Then
 * resumes it, because the last server may have stopped it. Whether [::] accepts IPv4 too was
 * decided when it was bound. Returns 0, -EBADF, ERR_NO_LISTENER, ERR_NOT_TCP or -errno.
 */
MUST_USE int listen_adopt(int fd);

/*
 * Stops new connections, for every process that has the socket. Connections in the accept queue can
 * still be accepted, and so can TCP handshakes that have begun, after they finish. Needs no
 * privilege.
 *
 *   TCP   The socket is bound to a network interface that does not exist (SO_BINDTOIFINDEX). SYNs
 *         no longer find it and are refused. Permanent: binding it again needs CAP_NET_RAW.
 *   unix  The socket is shut down for reading: connect(2) is refused, permanently. From then on
 *         poll(2) always reports it readable: only accept(2) shows whether its queue is empty.
 *
 * A socket that was passed in must stay usable for the next server (is_passed):
 *
 *   TCP   Segments must arrive with a TTL of 255 (IP_MINTTL, IPV6_MINHOPCOUNT), which is rare: SYNs
 *         are dropped, and sent again a second later. Handshakes that have begun can finish. An
 *         accepted socket inherits the option: see listen_release(). Kernels before 5.7 use this
 *         method for all sockets.
 *   unix  The accept queue gets the minimum length: one connection.
 *
 * Returns true if poll(2) can no longer show whether the accept queue is empty.
 *
 * Some connections are not stopped: those without kernel state (SYN cookies, in a SYN flood) and,
 * on a socket that was passed in, those of neighbours that send with a TTL of 255.
 */
bool listen_stop(int fd, int family, bool is_passed);

/* Undoes listen_stop() of a socket that was passed in. */
void listen_resume(int fd, int family);

/* Lets a socket that was accepted after listen_stop() receive segments of any TTL again. */
void listen_release(int fd, int family);

/*
 * Returns whether the kernel has ever dropped a SYN or the last ACK of a handshake because the
 * accept queue was full. Then clients may believe that they are connected, and retry after a
 * second.
 */
bool listen_was_overrun(int fd);

/* Identity of the file at a path when we made it. A zeroed one means no file. */
struct listen_path {
	dev_t device;
	ino_t inode;
};

/*
 * Returns the identity of a unix listening socket's file. Call it directly after opening the
 * socket.
 */
struct listen_path listen_path_of(const struct addr *addr);

/*
 * Removes the path of a unix listening socket if it is still the file that we made. Otherwise
 * another server has replaced it. Other sockets have no path. Returns 0, or -errno if the file
 * still exists or may exist (EACCES: a directory of the path cannot be searched).
 */
MUST_USE int listen_remove_path(const struct addr *addr, struct listen_path made);

#endif
