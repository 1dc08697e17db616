/* SPDX-License-Identifier: MIT */
/*
 * Socket options (socket(7), tcp(7)) of every connection, at both ends.
 */
#ifndef NET_SOCKOPT_H
#define NET_SOCKOPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct socket_option {
	int level, name, value;
};

/* Sets options in order. Returns 0 or -errno. */
MUST_USE int sockopt_set(int fd, const struct socket_option *options, size_t n);

/*
 * Sets the options that a connection needs and its family supports. Accepted sockets inherit them
 * from a listening socket.
 *
 *   TCP_NODELAY   an echo must not wait for the ACK of the previous one (Nagle, 40 ms)
 *   SO_OOBINLINE  urgent data stays in the stream and is echoed like all other bytes
 *   SO_KEEPALIVE  detects a peer whose host is gone, after about two minutes of silence
 *
 * Returns 0 or -errno.
 */
MUST_USE int sockopt_set_connection(int fd, int family);

/*
 * Gives one of many TCP connections its own keepalive times: 60 to 120 s until the first probe, and
 * 7 to 13 s between probes. number: must differ from that of other connections.
 *
 * The kernel's timers are coarse (4 s for 60 s), and it sends all probes that are due at the same
 * moment. Probes that do not fit into a queue on the path are lost; on loopback all except 1,000
 * per core (net.core.netdev_max_backlog). Of 20,000 idle clients that connected together, the
 * kernel gave up every third after two minutes, although it was alive. If setting fails, the times
 * are those of the listening socket.
 */
void sockopt_spread_keepalive(int fd, uint32_t number);

#endif
