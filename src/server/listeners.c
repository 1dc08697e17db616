/* SPDX-License-Identifier: MIT */
#include "server/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "net/io.h"

/* ---- duplicate addresses ---- */

static bool is_any(const struct addr *addr)
{
	if (addr->any.sa_family == AF_INET)
		return addr->v4.sin_addr.s_addr == htonl(INADDR_ANY);
	return addr->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr);
}

static bool is_same_path(const struct addr *a, const struct addr *b)
{
	struct listen_path one = listen_path_of(a), other = listen_path_of(b);
	return one.inode != 0 && one.inode == other.inode && one.device == other.device;
}

/*
 * Returns whether an open socket has or includes the address. takes_ipv4: if `addr` is [::], it
 * accepts IPv4.
 */
static bool overlaps(const struct listener *listener, const struct addr *addr, bool takes_ipv4)
{
	struct addr open = listener->addr, asked = *addr;
	if (addr->any.sa_family == AF_UNIX)
		return addr_equal(&open, &asked) || is_same_path(&open, &asked);
	if (addr_port(&open) != addr_port(&asked))
		return false;
	addr_unmap(&open);
	addr_unmap(&asked);
	if (open.any.sa_family == asked.any.sa_family)
		return addr_equal(&open, &asked) || is_any(&open) || is_any(&asked);
	if (asked.any.sa_family == AF_INET)
		return is_any(&open) && listen_takes_ipv4(listener->fd);
	return open.any.sa_family == AF_INET && is_any(&asked) && takes_ipv4;
}

static bool is_given_twice(const struct listeners *listeners, const struct addr *addr,
			   bool takes_ipv4)
{
	for (size_t i = 0; i < listeners->n; i++) {
		if (overlaps(&listeners->list[i], addr, takes_ipv4))
			return true;
	}
	return false;
}

static bool is_ipv4_wildcard(const struct addr *addr, uint16_t port)
{
	struct addr plain = *addr;
	addr_unmap(&plain);
	return plain.any.sa_family == AF_INET && is_any(&plain) && addr_port(&plain) == port;
}

/* Returns whether [::] must be IPv6 only, because 0.0.0.0 with the same port is listed too. */
static bool leaves_ipv4(const struct listeners *listeners, const struct listen_addresses *addresses,
			const struct addr *addr)
{
	uint16_t port = addr_port(addr);
	bool leaves = false;
	if (addr->any.sa_family != AF_INET6 || !is_any(addr) || port == 0)
		return false;
	for (size_t i = 0; i < addresses->n; i++)
		leaves |= is_ipv4_wildcard(&addresses->list[i], port);
	for (size_t i = 0; i < listeners->n; i++)
		leaves |= is_ipv4_wildcard(&listeners->list[i].addr, port);
	return leaves;
}

/* ---- opening ---- */

/* Adds an open socket. path: path of a unix socket that we created. */
MUST_USE static int add_listener(struct listeners *listeners, int fd, struct listen_path path)
{
	struct listener listener = { .fd = fd, .path = path };
	int rc = listeners->n < LISTENERS_MAX ? 0 : ERR_TOO_MANY_ADDRESSES;
	if (rc == 0)
		rc = addr_of_socket(fd, &listener.addr); /* the kernel may have chosen the port */
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	listeners->list[listeners->n++] = listener;
	return 0;
}

/* Returns the addresses of spec i; *ret_n is their number. */
static const struct addr *addresses_of(const struct listen_addresses *addresses, size_t i,
				       int *ret_n)
{
	size_t first = i > 0 ? addresses->ends[i - 1] : 0;
	*ret_n = (int)(addresses->ends[i] - first);
	return &addresses->list[first];
}

int listeners_add(struct listeners *listeners, const struct listen_addresses *addresses, size_t i)
{
	int fds[ADDR_MAX_RESOLVED], n, rc = 0;
	const struct addr_spec *spec = addresses->specs[i];
	const struct addr *list = addresses_of(addresses, i, &n);
	bool ipv6_only =
		spec->kind == ADDR_HOST && n == 1 && leaves_ipv4(listeners, addresses, &list[0]);
	for (int k = 0; k < n; k++) {
		if (is_given_twice(listeners, &list[k], !ipv6_only))
			return ERR_GIVEN_TWICE;
	}
	n = ipv6_only ? listen_open_ipv6_only(&list[0]) : listen_open_all(spec, list, n, fds);
	if (ipv6_only && n >= 0) {
		fds[0] = n;
		n = 1;
	}
	size_t before = listeners->n;
	for (int k = 0; k < n; k++) {
		int code = add_listener(listeners, fds[k],
					listen_path_of(&list[0])); /* a path has one address */
		rc = code < 0 ? code : rc;
	}
	while (rc < 0 && listeners->n > before)
		listener_close(&listeners->list[--listeners->n]);
	return n < 0 ? n : rc;
}

/* A duplicated descriptor refers to the same socket, so it has the same inode. */
static bool is_passed_twice(const struct listeners *listeners, int fd)
{
	struct stat status, other;
	if (fstat(fd, &status) < 0)
		return false; /* listen_adopt() reports the cause */
	for (size_t i = 0; i < listeners->n; i++) {
		if (fstat(listeners->list[i].fd, &other) == 0 && other.st_ino == status.st_ino &&
		    other.st_dev == status.st_dev)
			return true;
	}
	return false;
}

int listeners_adopt(struct listeners *listeners, int fd)
{
	struct listener listener = { .fd = fd, .is_passed = true };
	int rc = listeners->n < LISTENERS_MAX ? listen_adopt(fd) : ERR_TOO_MANY_ADDRESSES;
	if (rc == 0 && is_passed_twice(listeners, fd))
		rc = ERR_PASSED_TWICE;
	if (rc == 0)
		rc = addr_of_socket(fd, &listener.addr);
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	listeners->list[listeners->n++] = listener;
	return 0;
}

/* ---- resolving ---- */

int listeners_look_up(struct listen_addresses *addresses, const struct addr_spec *spec)
{
	struct addr found[ADDR_MAX_RESOLVED] = { addr_wildcard(AF_INET6, spec->port) };
	int n = spec->kind == ADDR_WILDCARD ? 1 : addr_resolve(spec, AF_UNSPEC, found);
	if (n < 0)
		return n;
	if (addresses->n + (size_t)n > LISTENERS_MAX)
		return ERR_TOO_MANY_ADDRESSES;
	for (int i = 0; i < n; i++)
		addresses->list[addresses->n++] = found[i];
	addresses->specs[addresses->n_specs] = spec;
	addresses->ends[addresses->n_specs++] = addresses->n;
	return 0;
}

/* ---- closing ---- */

void listener_remove_path(struct listener *listener)
{
	int rc = listen_remove_path(&listener->addr, listener->path);
	listener->path = (struct listen_path){ 0 };
	if (rc < 0)
		log_warning("cannot remove %s: %s (the next start takes its place)",
			    addr_format(&listener->addr).text, err_text(rc).text);
}

void listener_close(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	/*
	 * While it listens: if no process listens on a path, another process may take it at any
	 * time.
	 */
	listener_remove_path(listener);
	io_close(&listener->fd);
}

void listeners_disown(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++) {
		listeners->list[i].path = (struct listen_path){ 0 };
		listeners->list[i].is_passed = false;
	}
}

bool listeners_any_open(const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++) {
		if (listeners->list[i].fd >= 0)
			return true;
	}
	return false;
}

void listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++)
		listener_close(&listeners->list[i]);
}
