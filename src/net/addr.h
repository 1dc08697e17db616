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

/* Maximum number of addresses per name; the rest are not tried. */
#define ADDR_MAX_RESOLVED 16

/* The longest host name of RFC 1035 and its NUL. A unix path is shorter. */
#define ADDR_HOST_SIZE 256

/* An address of any family. A zeroed one (len 0) means no address. */
struct addr {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
};

/* Space for "unix:" and a path, the longest form. */
#define ADDR_TEXT_SIZE 128

struct addr_text {
	char text[ADDR_TEXT_SIZE];
};

enum addr_kind {
	ADDR_WILDCARD, /* every interface: [::] accepting IPv4 too, or 0.0.0.0 */
	ADDR_HOST,     /* a name or a literal address */
	ADDR_UNIX,     /* a path, or an abstract name that begins with '@' (unix(7)) */
};

/* A parsed ADDRESS or HOST of the command line, before it is resolved. */
struct addr_spec {
	enum addr_kind kind;
	uint16_t port;
	char host[ADDR_HOST_SIZE]; /* the host, or the text after "unix:" */
};

/*
 * Parses an ADDRESS: PORT, HOST:PORT, [V6]:PORT, :PORT, unix:/path or unix:@name. Returns 0,
 * ERR_BAD_ADDRESS, ERR_BAD_PORT or ERR_PATH_TOO_LONG.
 */
MUST_USE int addr_parse(const char *text, struct addr_spec *ret_spec);

/* Formats a spec for a message: "port 9877", "localhost port 9877", "unix:/run/echo". */
struct addr_text addr_spec_text(const struct addr_spec *spec);

/*
 * Returns what is wrong with the path of a unix socket, for the end of a message: " (the path is a
 * directory)", or "". Static.
 */
const char *addr_path_remark(const struct addr_spec *spec);

/* Parses a port from 0 to 65535. Returns 0 or ERR_BAD_PORT. */
MUST_USE int addr_parse_port(const char *text, uint16_t *ret_port);

/*
 * Resolves a spec of kind ADDR_HOST or ADDR_UNIX. family: AF_UNSPEC, AF_INET or AF_INET6. The
 * addresses are in the order in which to try them (RFC 6724), without duplicates. Blocks as long as
 * the resolver does. Returns their number (1..ADDR_MAX_RESOLVED), or ERR_NO_SUCH_HOST,
 * ERR_NO_INTERFACE, ERR_NAME_SERVER, ERR_NO_ADDRESS, ERR_RESOLVER or -errno.
 */
MUST_USE int addr_resolve(const struct addr_spec *spec, int family,
			  struct addr ret_list[ADDR_MAX_RESOLVED]);

/*
 * Returns false for a multicast address and for 255.255.255.255: TCP cannot connect to them (RFC
 * 9293, 3.9.2.3), but the kernel lets a TCP socket listen on them.
 */
bool addr_is_unicast(const struct addr *addr);

/*
 * Returns whether it is the broadcast address of a network of this machine. TCP cannot connect to
 * it either. Opens a netlink socket (getifaddrs(3)); returns false if that fails.
 */
bool addr_is_subnet_broadcast(const struct addr *addr);

/* Returns the wildcard address of IPv6 or IPv4. */
struct addr addr_wildcard(int family, uint16_t port);

/* Return the local and the remote address of a socket. Return 0 or -errno. */
MUST_USE int addr_of_socket(int fd, struct addr *ret_addr);
MUST_USE int addr_of_peer(int fd, struct addr *ret_addr);

/* The port, 0 for a unix address. addr_set_port() does not change unix addresses. */
uint16_t addr_port(const struct addr *addr);
void addr_set_port(struct addr *addr, uint16_t port);

/* Returns whether only this machine can reach the address: 127.0.0.0/8, ::1, or a unix socket. */
bool addr_is_local(const struct addr *addr);

/* Converts an IPv4-mapped IPv6 address (::ffff:192.0.2.7) to IPv4. */
void addr_unmap(struct addr *addr);

/*
 * Returns the negative code for an errno of bind(2) or connect(2) on this address: -errno, or
 * ERR_NO_ZONE if the kernel returned EINVAL because a link-local address has no interface.
 */
int addr_error(const struct addr *addr, int saved_errno);

bool addr_equal(const struct addr *a, const struct addr *b);

/*
 * Formats: "192.0.2.7:51334", "[2001:db8::1]:9877", "[fe80::1%eth0]:9877", "unix:/run/x",
 * "unix:@x".
 */
struct addr_text addr_format(const struct addr *addr);

/*
 * Sets *ret_source to a number for the source to which limits per source apply: an IPv4 address, or
 * an IPv6 /64, which is what one customer gets. Returns false for a unix address, which has no
 * source.
 */
bool addr_source(const struct addr *addr, uint64_t *ret_source);

#endif
