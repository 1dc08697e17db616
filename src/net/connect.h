/* SPDX-License-Identifier: MIT */
/*
 * Connects with a deadline.
 */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "net/addr.h"

/* Pause between two attempts to connect to a unix socket whose accept queue is full. */
#define CONNECT_RETRY_NS (20 * CLOCK_NS_PER_MS)

/*
 * Connects to one address. source: the local address, with port 0 for any port; NULL: the kernel
 * chooses. The socket is close-on-exec, sends small messages at once (TCP_NODELAY) and keeps urgent
 * data in the stream (SO_OOBINLINE).
 *
 * If no server listens on a port in the kernel's ephemeral range, the kernel may give a client this
 * same port as local port. The client then connects to itself (simultaneous open, RFC 9293 3.5) and
 * sees a perfect echo without a server. That is ERR_SELF_CONNECT. ERR_FORBIDDEN means that a
 * firewall on the path rejects the connection and says so (RFC 4443 3.1; for ICMP the kernel
 * returns EHOSTUNREACH). -EACCES comes from this machine.
 *
 * -EADDRNOTAVAIL: no local port is free. ERR_NO_SOURCE: this machine has no address of the family.
 * ERR_FOREIGN_SOURCE: `source` is not an address of this machine.
 *
 * Returns the descriptor, which the caller closes, or one of these codes. At the deadline it
 * returns -ETIMEDOUT, or ERR_QUEUE_FULL for a unix socket whose accept queue stayed full. Other
 * failures: a code of addr_error().
 */
MUST_USE int connect_open(const struct addr *addr, const struct addr *source, uint64_t deadline_ns);

/*
 * The same in two steps, for a loop that waits for many descriptors. connect_begin() returns a
 * socket, which the caller closes and which becomes writable (poll(2)) when the outcome is known;
 * -EAGAIN for a unix socket whose accept queue is full, to be retried after CONNECT_RETRY_NS; or
 * another code of connect_open(). connect_outcome() returns 0, ERR_SELF_CONNECT, ERR_FORBIDDEN or
 * -errno.
 */
MUST_USE int connect_begin(const struct addr *addr, const struct addr *source);
MUST_USE int connect_outcome(int fd);

/* What else a connection can be opened with. Zeroed: nothing. */
struct connect_options {
	const struct addr *source; /* as above; with a port it is that port, even in TIME_WAIT */
	int receive_buffer;        /* SO_RCVBUF in bytes, which the kernel doubles; 0: automatic */
	int protocol;              /* IPPROTO_MPTCP; 0: TCP */
	bool fast_open;            /* the first bytes may go with the SYN (TCP_FASTOPEN_CONNECT) */
};

/* connect_begin() with options. */
MUST_USE int connect_begin_with(const struct addr *addr, const struct connect_options *options);

#endif
