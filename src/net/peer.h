/* SPDX-License-Identifier: MIT */
/*
 * The identity of a client, in few bytes, because each connection stores one. Its text form is
 * needed only for the log line at the end of a connection.
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

/* A value without pointers, valid in any process. A zeroed one means no client. */
struct peer {
	uint16_t family; /* AF_INET, AF_INET6, AF_UNIX */
	uint16_t port;   /* network byte order, as in an address */
	/* IPv6: interface index of a link-local address; unix: pid of the client */
	uint32_t number;
	unsigned char ip[16];
};

/*
 * Returns the peer of a connected socket, whose address came from accept(2). Clients of a unix
 * socket have no address, so the pid of the connecting process is used (SO_PEERCRED, unix(7)).
 */
struct peer peer_of(int fd, const struct addr *addr);

/* Returns the name for logs and titles: "192.0.2.7:51334", "[2001:db8::1]:9877", "unix:4711". */
struct addr_text peer_name(const struct peer *peer);

/* Like addr_source() in net/addr.h: the source for limits per source; false for a unix client. */
bool peer_source(const struct peer *peer, uint64_t *ret_source);

#endif
