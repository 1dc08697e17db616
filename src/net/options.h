/* SPDX-License-Identifier: MIT */
/*
 * Socket options (socket(7), tcp(7)): those that every connection of ours has, at either end.
 */
#ifndef NET_OPTIONS_H
#define NET_OPTIONS_H

#include <stddef.h>

#include "base/compiler.h"

struct socket_option {
	int level, name, value;
};

/* Sets options, in their order. Returns 0 or -errno. */
MUST_USE int options_set(int fd, const struct socket_option *options, size_t n);

/*
 * Sets what a connection needs, where the family knows it. A listening socket hands it down.
 *
 *   TCP_NODELAY   an echo must not wait for the acknowledgement of the one before (Nagle, 40 ms)
 *   SO_OOBINLINE  urgent data stays in its place in the stream, it is echoed like all the rest
 *   SO_KEEPALIVE  a peer whose host vanished is found out, in about two minutes of silence
 *
 * Returns 0 or -errno.
 */
MUST_USE int options_set_connection(int fd, int family);

/*
 * Of a TCP connection that was accepted: gives it an interval between the kernel's questions that
 * is not that of its neighbours, by a number that is not theirs.
 *
 * The kernel asks all those who have been silent since the same few seconds in the same instant
 * (its timers are that coarse), and what of so many questions does not fit into a queue on the way
 * is lost: of 20,000 clients who came together and were idle, every third was given up though it
 * was there. Asked again at different times, few are left after each. It does not
 * help every crowd: of 100,000 who came within 4 s to loopback, whose queue takes 1,000 packets for
 * each core (net.core.netdev_max_backlog), one in twenty is still given up. If it fails, the
 * interval is the listening socket's.
 */
void options_spread_keepalive(int fd, unsigned int number);

#endif
