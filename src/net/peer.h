/* SPDX-License-Identifier: MIT */
/*
 * Who a client is, in as few bytes as that takes: there is one for each connection, whether it says
 * anything or not, and its name is needed only in the line that tells of its end.
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

/* A value without pointers, good in any process. A zeroed one is nobody. */
struct peer {
	uint16_t family; /* AF_INET, AF_INET6, AF_UNIX */
	uint16_t port;   /* network byte order, as in an address */
	uint32_t number; /* IPv6: the zone of a link-local address; unix: its process */
	unsigned char ip[16];
};

/*
 * The client behind a connected socket, whose address accept(2) gave. The clients of a unix socket
 * have none; there it is the number of the process that connected (SO_PEERCRED, unix(7)).
 */
struct peer peer_of(int fd, const struct addr *addr);

/* What logs and titles call it: "192.0.2.7:51334", "[2001:db8::1]:9877", "unix:4711". */
struct addr_text peer_name(const struct peer *peer);

/* What limits per source count as one; false for a unix client, see addr_source() in net/addr.h. */
bool peer_source(const struct peer *peer, uint64_t *ret_source);

#endif
