/* SPDX-License-Identifier: MIT */
/*
 * Socket options (socket(7), tcp(7)): those that every connection of ours has, at either end.
 */
#ifndef NET_SOCKOPT_H
#define NET_SOCKOPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct socket_option {
	int level, name, value;
};

/* Sets options, in their order. Returns 0 or -errno. */
MUST_USE int sockopt_set(int fd, const struct socket_option *options, size_t n);

/*
 * Sets what a connection needs, where the family knows it. A listening socket hands it down.
 *
 *   TCP_NODELAY   an echo must not wait for the acknowledgement of the one before (Nagle, 40 ms)
 *   SO_OOBINLINE  urgent data stays in its place in the stream, it is echoed like all the rest
 *   SO_KEEPALIVE  a peer whose host vanished is found out, in about two minutes of silence
 *
 * Returns 0 or -errno.
 */
MUST_USE int sockopt_set_connection(int fd, int family);

/*
 * Of a TCP connection that is one of many: gives it a patience of its own before the kernel asks
 * whether the peer is there, 60 to 120 s, and between its questions, 7 to 13 s. number: not that of
 * its neighbours.
 *
 * The kernel's timers are coarse (4 s of 60), and it asks all whose time has come in the same
 * instant; what of so many questions does not fit into a queue on the way is lost, on loopback all
 * but 1,000 for each core (net.core.netdev_max_backlog). Of 20,000 clients who came together and
 * were idle every third was given up after two minutes, though it was there. If this fails, the
 * times are the listening socket's.
 */
void sockopt_spread_keepalive(int fd, uint32_t number);

#endif
