/* SPDX-License-Identifier: MIT */
/*
 * Connecting, with a deadline.
 */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "net/addr.h"

/* Pause between two attempts to enter the full queue of a unix listening socket. */
#define CONNECT_RETRY_NS (20 * CLOCK_NS_PER_MS)

/*
 * Connects to one address. source: where to connect from, with port 0 for any; NULL: the kernel
 * chooses. The socket is close-on-exec, sends small messages at once (TCP_NODELAY) and keeps urgent
 * data in line.
 *
 * A client of a dead port in the kernel's ephemeral range can be given that very port as its own
 * and meet itself (simultaneous open, RFC 9293 3.5): a perfect echo of a server that is not there.
 * That is ERR_SELF_CONNECT. What a firewall on the way prohibits is ERR_FORBIDDEN where it says so
 * (RFC 4443 3.1, of ICMP the kernel makes EHOSTUNREACH); -EACCES is this machine's own word.
 *
 * -EADDRNOTAVAIL: no local port is free. ERR_NO_SOURCE: this machine has no address of the family.
 * ERR_FOREIGN_SOURCE: `source` is no address of this machine.
 *
 * Returns the descriptor, which is the caller's; one of these codes; at the deadline -ETIMEDOUT, or
 * ERR_QUEUE_FULL for a unix socket whose queue stayed full; or a code of addr_error().
 */
MUST_USE int connect_open(const struct addr *addr, const struct addr *source, uint64_t deadline_ns);

/*
 * The same in two steps, for a loop that does not wait for one connection alone. The first returns
 * a socket, the caller's, which is writable (poll(2)) as soon as there is an outcome; -EAGAIN for a
 * unix socket whose queue is full, to be retried after CONNECT_RETRY_NS; or another of these codes.
 * The second returns the outcome: 0, ERR_SELF_CONNECT, ERR_FORBIDDEN or -errno.
 */
MUST_USE int connect_begin(const struct addr *addr, const struct addr *source);
MUST_USE int connect_outcome(int fd);

#endif
