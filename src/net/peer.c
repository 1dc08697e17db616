/* SPDX-License-Identifier: MIT */
#include "net/peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static uint32_t process_behind(int fd)
{
	struct ucred credentials = { 0 };
	socklen_t size = sizeof(credentials);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return 0;
	return (uint32_t)credentials.pid;
}

struct peer peer_of(int fd, const struct addr *addr)
{
	struct peer peer = { .family = addr->any.sa_family };
	switch (addr->any.sa_family) {
	case AF_INET:
		peer.port = addr->v4.sin_port;
		memcpy(peer.ip, &addr->v4.sin_addr, sizeof(addr->v4.sin_addr));
		break;
	case AF_INET6:
		peer.port = addr->v6.sin6_port;
		peer.number = addr->v6.sin6_scope_id;
		memcpy(peer.ip, &addr->v6.sin6_addr, sizeof(addr->v6.sin6_addr));
		break;
	case AF_UNIX:
		peer.number = process_behind(fd);
		break;
	}
	return peer;
}

static struct addr address_of(const struct peer *peer)
{
	struct addr addr = { 0 };
	if (peer->family == AF_INET) {
		addr.len = sizeof(addr.v4);
		addr.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = peer->port };
		memcpy(&addr.v4.sin_addr, peer->ip, sizeof(addr.v4.sin_addr));
	} else if (peer->family == AF_INET6) {
		addr.len = sizeof(addr.v6);
		addr.v6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_port = peer->port,
			.sin6_scope_id = peer->number,
		};
		memcpy(&addr.v6.sin6_addr, peer->ip, sizeof(addr.v6.sin6_addr));
	}
	return addr;
}

struct addr_text peer_name(const struct peer *peer)
{
	if (peer->family == AF_INET || peer->family == AF_INET6) {
		struct addr addr = address_of(peer);
		return addr_format(&addr);
	}
	struct addr_text out = { "unix:?" };
	if (peer->number != 0)
		snprintf(out.text, sizeof(out.text), "unix:%u", peer->number);
	return out;
}

bool peer_source(const struct peer *peer, uint64_t *ret_source)
{
	struct addr addr = address_of(peer);
	return addr.len != 0 && addr_source(&addr, ret_source);
}
