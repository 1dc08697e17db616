/* SPDX-License-Identifier: MIT */
#include "server/listeners.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/machine.h"

/* Adds one. The kernel's choice of port and the like is asked back. */
MUST_USE static int add(struct listeners *listeners, const struct addr *addr)
{
	if (listeners->n == LISTENERS_MOST)
		return -EMFILE;
	int fd = listen_open(addr);
	if (fd < 0)
		return fd;
	struct listener *listener = &listeners->list[listeners->n];
	int rc = addr_of_socket(fd, &listener->addr);
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	listener->fd = fd;
	listener->path = listen_path_of(addr);
	listeners->n++;
	return 0;
}

MUST_USE static int add_wildcard(struct listeners *listeners, uint16_t port)
{
	struct addr addr = addr_wildcard(AF_INET6, port);
	int rc = machine_has_ipv6() ? add(listeners, &addr) : -EAFNOSUPPORT;
	if (rc != -EAFNOSUPPORT)
		return rc;
	addr = addr_wildcard(AF_INET, port);
	return add(listeners, &addr);
}

static bool is_not_ours(int code)
{
	return code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT;
}

/* /etc/hosts may name an address twice. */
static bool is_repeated(const struct addr *found, int i)
{
	for (int before = 0; before < i; before++) {
		struct addr same = found[i];
		addr_set_port(&same, addr_port(&found[before]));
		if (addr_equal(&found[before], &same))
			return true;
	}
	return false;
}

MUST_USE static int add_resolved(struct listeners *listeners, const struct addr_spec *spec)
{
	struct addr found[ADDR_MAX_RESOLVED];
	int n = addr_resolve(spec, AF_UNSPEC, found);
	if (n < 0)
		return n;

	size_t first = listeners->n;
	int not_ours = 0;
	for (int i = 0; i < n; i++) {
		if (is_repeated(found, i))
			continue;
		if (listeners->n > first) /* port 0: the port that the first was given */
			addr_set_port(&found[i], addr_port(&listeners->list[first].addr));
		int rc = add(listeners, &found[i]);
		if (is_not_ours(rc)) {
			not_ours = rc;
		} else if (rc < 0) {
			while (listeners->n > first)
				listener_close(&listeners->list[--listeners->n]);
			return rc;
		}
	}
	return listeners->n > first ? 0 : not_ours;
}

int listeners_add(struct listeners *listeners, const struct addr_spec *spec)
{
	return spec->kind == ADDR_WILDCARD ? add_wildcard(listeners, spec->port)
					   : add_resolved(listeners, spec);
}

int listeners_adopt(struct listeners *listeners, int fd)
{
	struct listener listener = { .fd = fd, .is_passed = true };
	int rc = listeners->n < LISTENERS_MOST ? listen_adopt(fd) : -EMFILE;
	if (rc == 0)
		rc = addr_of_socket(fd, &listener.addr);
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	listeners->list[listeners->n++] = listener;
	return 0;
}

void listeners_shut_queues(const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++) {
		if (listeners->list[i].fd >= 0)
			listen_shut_queue(listeners->list[i].fd);
	}
}

void listener_close(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	if (listener->is_passed)
		listen_open_queue(listener->fd);
	io_close(&listener->fd);
	int rc = listen_remove_path(&listener->addr, listener->path);
	if (rc < 0)
		log_warning("cannot remove %s: %s (the next start takes its place)",
			    addr_format(&listener->addr).text, err_text(rc).text);
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
	listeners->n = 0;
}
