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

#endif
