/* SPDX-License-Identifier: MIT */
#include "net/sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Silence before the first keepalive probe, time between probes, number of probes. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES     6

/*
 * Spread of these times over many connections. Both are primes, so two connections have both times
 * equal only if their numbers differ by a multiple of 427.
 */
#define KEEPALIVE_IDLE_SPREAD_S     61
#define KEEPALIVE_INTERVAL_SPREAD_S 7

static const struct socket_option tcp_options[] = {
	{ IPPROTO_TCP, TCP_NODELAY, 1 },
	{ SOL_SOCKET, SO_OOBINLINE, 1 },
	{ SOL_SOCKET, SO_KEEPALIVE, 1 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
	{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
	{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
};

int sockopt_set(int fd, const struct socket_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct socket_option *o = &options[i];
		if (setsockopt(fd, o->level, o->name, &o->value, sizeof(o->value)) < 0)
			return -errno;
	}
	return 0;
}

int sockopt_set_connection(int fd, int family)
{
	return family == AF_UNIX ? 0 : sockopt_set(fd, tcp_options, ARRAY_LEN(tcp_options));
}

void sockopt_spread_keepalive(int fd, uint32_t number)
{
	int min_s = KEEPALIVE_INTERVAL_S - KEEPALIVE_INTERVAL_SPREAD_S / 2;
	const struct socket_option own[] = {
		{ IPPROTO_TCP, TCP_KEEPIDLE,
		  KEEPALIVE_IDLE_S + (int)(number % KEEPALIVE_IDLE_SPREAD_S) },
		{ IPPROTO_TCP, TCP_KEEPINTVL, min_s + (int)(number % KEEPALIVE_INTERVAL_SPREAD_S) },
	};
	ignore_result(sockopt_set(fd, own, ARRAY_LEN(own)));
}
