/* SPDX-License-Identifier: MIT */
/*
 * Connecting, with a deadline.
 */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include <stdint.h>

#include "base/compiler.h"
#include "net/addr.h"

/*
 * Connects to one address. The socket is close-on-exec, sends small messages at once (TCP_NODELAY)
 * and keeps urgent data in line.
 *
 * A client of a dead port in the kernel's ephemeral range can be given that very port as its own
 * and meet itself (simultaneous open, RFC 9293 3.5): a perfect echo of a server that is not there.
 * That is ERR_SELF_CONNECT. What a firewall on the way prohibits is ERR_FORBIDDEN where it says so
 * (RFC 4443 3.1, of ICMP the kernel makes EHOSTUNREACH); -EACCES is this machine's own word.
 *
 * Returns the descriptor, which is the caller's; -ETIMEDOUT when the deadline came first; or a code
 * of addr_error().
 */
MUST_USE int connect_open(const struct addr *addr, uint64_t deadline_ns);

/*
 * The same in two steps, for whoever connects many at a time. The first returns a socket, the
 * caller's, which is writable (poll(2)) as soon as there is an outcome; or a code of addr_error(),
 * -EAGAIN for a unix socket whose queue is full. source: where to connect from, with port 0 for any;
 * NULL: as the kernel sees fit. The second says what came of it: 0, ERR_SELF_CONNECT, ERR_FORBIDDEN
 * or -errno.
 */
MUST_USE int connect_begin(const struct addr *addr, const struct addr *source);
MUST_USE int connect_outcome(int fd);

#endif
