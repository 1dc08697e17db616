/* SPDX-License-Identifier: MIT */
/*
 * Addresses: IPv4, IPv6 and unix, from text to sockaddr and back.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/compiler.h"

/* A name resolves to this many addresses at most; the rest are not tried. */
#define ADDR_MAX_RESOLVED 16

/* The longest host name of RFC 1035 and its NUL. A unix path is shorter. */
#define ADDR_HOST_SIZE 256

/* Any address. A zeroed one (len 0) is none. */
struct addr {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
};

/* Room for "unix:" and a path, the longest form. */
#define ADDR_TEXT_SIZE 128

struct addr_text {
	char text[ADDR_TEXT_SIZE];
};

enum addr_kind {
	ADDR_WILDCARD, /* every interface: [::] taking IPv4 too, or 0.0.0.0 */
	ADDR_HOST,     /* a name or a literal address */
	ADDR_UNIX,     /* a path, or with a first '@' an abstract name (unix(7)) */
};

/* What an ADDRESS or a HOST on the command line says, before anything is looked up. */
struct addr_spec {
	enum addr_kind kind;
	uint16_t port;
	char host[ADDR_HOST_SIZE]; /* the host, or what follows "unix:" */
};

/*
 * Reads an ADDRESS: PORT, HOST:PORT, [V6]:PORT, :PORT, unix:/path or unix:@name.
 * Returns 0, ERR_BAD_ADDRESS, ERR_BAD_PORT or ERR_PATH_TOO_LONG.
 */
MUST_USE int addr_parse(const char *text, struct addr_spec *ret_spec);

/* A spec in words, for a message: "port 9877", "localhost port 9877", "unix:/run/echo". */
struct addr_text addr_spec_text(const struct addr_spec *spec);

/* Reads a port from 0 to 65535. Returns 0 or ERR_BAD_PORT. */
MUST_USE int addr_parse_port(const char *text, uint16_t *ret_port);

/*
 * Looks a spec of the kinds ADDR_HOST and ADDR_UNIX up. family: AF_UNSPEC, AF_INET or AF_INET6.
 * The addresses come in the order in which to try them (RFC 6724), each once. Blocks as long as the
 * resolver does. Returns how many (1..ADDR_MAX_RESOLVED), or ERR_NO_SUCH_HOST, ERR_NO_INTERFACE,
 * ERR_NAME_SERVER, ERR_NO_ADDRESS, ERR_RESOLVER or -errno.
 */
MUST_USE int addr_resolve(const struct addr_spec *spec, int family,
			  struct addr ret_list[ADDR_MAX_RESOLVED]);

/*
 * Returns false for a multicast address and for 255.255.255.255: no TCP connection leads there
 * (RFC 9293, 3.9.2.3), but the kernel lets a TCP socket listen on it.
 */
bool addr_is_unicast(const struct addr *addr);

/*
 * Is it the broadcast address of a network of this machine? The same holds for it. Opens a netlink
 * socket (getifaddrs(3)); false if that fails.
 */
bool addr_is_subnet_broadcast(const struct addr *addr);

/* Every interface, by IPv6 or by IPv4 alone. */
struct addr addr_wildcard(int family, uint16_t port);

/* The local and the remote address of a socket. Return 0 or -errno. */
MUST_USE int addr_of_socket(int fd, struct addr *ret_addr);
MUST_USE int addr_of_peer(int fd, struct addr *ret_addr);

/* The port, 0 for unix. addr_set_port() leaves unix addresses alone. */
uint16_t addr_port(const struct addr *addr);
void addr_set_port(struct addr *addr, uint16_t port);

/* Is it an address of this machine alone: 127.0.0.0/8, ::1, or a unix socket's? */
bool addr_is_local(const struct addr *addr);

/* An IPv4 address that came in by an IPv6 socket (::ffff:192.0.2.7) becomes what it is: IPv4. */
void addr_unmap(struct addr *addr);

/*
 * The negative code of a bind(2) or connect(2) on this address that failed with this errno: -errno,
 * or ERR_NO_ZONE, where the kernel says EINVAL because a link-local address has no interface.
 */
int addr_error(const struct addr *addr, int saved_errno);

bool addr_equal(const struct addr *a, const struct addr *b);

/* "192.0.2.7:51334", "[2001:db8::1]:9877", "[fe80::1%eth0]:9877", "unix:/run/x", "unix:@x". */
struct addr_text addr_format(const struct addr *addr);

/*
 * What limits per source count as one: an IPv4 address, or an IPv6 /64, which is what one customer
 * has to himself. Writes a number that stands for it and returns true; false for a unix address,
 * which has no source.
 */
bool addr_source(const struct addr *addr, uint64_t *ret_source);

#endif
