/* SPDX-License-Identifier: MIT */
#include "net/listen_all.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/sysinfo.h"

/* Number of requests to the kernel for a free port, before all ports are tried. */
#define FREE_PORT_TRIES 16

static bool is_not_ours(int code)
{
	return code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT;
}

/* The port that the kernel chose for the first socket is used for all. */
MUST_USE static int port_of(int fd, uint16_t *ret_port)
{
	struct addr addr;
	int rc = addr_of_socket(fd, &addr);
	if (rc == 0)
		*ret_port = addr_port(&addr);
	return rc;
}

/*
 * Opens all addresses on one port; for 0, on the port of the first. Returns their number or a code.
 */
MUST_USE static int open_on_port(const struct addr *list, int n, uint16_t port, int *fds)
{
	int opened = 0, not_ours = 0, rc = 0;
	for (int i = 0; i < n && rc == 0; i++) {
		struct addr addr = list[i];
		addr_set_port(&addr, port);
		int fd = listen_open(&addr);
		if (is_not_ours(fd)) {
			not_ours = fd;
			continue;
		}
		if (fd >= 0)
			fds[opened++] = fd;
		rc = fd < 0 ? fd : port == 0 ? port_of(fd, &port) : 0;
	}
	if (rc == 0)
		return opened > 0 ? opened : not_ours;
	while (opened > 0)
		io_close(&fds[--opened]);
	return rc;
}

static bool is_taken(int code)
{
	return code == -EADDRINUSE || code == ERR_NO_FREE_PORT;
}

/*
 * The kernel finds a port that is free on one address, but it may be taken on the others. If a few
 * attempts fail, every ephemeral port is tried.
 */
MUST_USE static int open_on_free_port(const struct addr *list, int n, int *fds)
{
	int rc = ERR_NO_FREE_PORT;
	for (int i = 0; i < FREE_PORT_TRIES && is_taken(rc); i++)
		rc = open_on_port(list, n, 0, fds);
	if (!is_taken(rc))
		return rc;
	struct sysinfo_port_range range = sysinfo_ephemeral_ports();
	struct sysinfo_ports reserved;
	sysinfo_reserved_ports(&reserved);
	for (uint32_t port = range.first; port <= range.last && is_taken(rc); port++) {
		if (!sysinfo_ports_has(&reserved, (uint16_t)port))
			rc = open_on_port(list, n, (uint16_t)port, fds);
	}
	return is_taken(rc) ? ERR_NO_FREE_PORT : rc;
}

int listen_open_all(const struct addr_spec *spec, const struct addr *list, int n,
		    int ret_fds[ADDR_MAX_RESOLVED])
{
	if (spec->kind == ADDR_HOST && spec->port == 0)
		return open_on_free_port(list, n, ret_fds);
	if (spec->kind != ADDR_WILDCARD)
		return open_on_port(list, n, spec->port, ret_fds);
	int fd = listen_open_wildcard(spec->port);
	if (fd < 0)
		return fd;
	ret_fds[0] = fd;
	return 1;
}

/* Binding was denied: finds the missing privilege. */
static struct listen_remedy remedy_of_denial(const struct addr_spec *spec)
{
	struct listen_remedy out;
	unsigned int first = sysinfo_first_unprivileged_port();
	if (spec->kind == ADDR_UNIX)
		snprintf(out.text, sizeof(out.text), " (the directory must be writable)");
	else if (spec->port < first)
		snprintf(out.text, sizeof(out.text), " (ports below %u need CAP_NET_BIND_SERVICE)",
			 first);
	else
		snprintf(out.text, sizeof(out.text),
			 " (a security policy forbids it, as SELinux, AppArmor or seccomp)");
	return out;
}

struct listen_remedy listen_remedy(int code, const struct addr_spec *spec)
{
	bool is_unix = spec->kind == ADDR_UNIX;
	const char *text = err_remedy(code), *remark = addr_path_remark(spec);
	struct listen_remedy out;
	if (code == -EACCES || code == -EPERM)
		return remedy_of_denial(spec);
	if (code == -EADDRINUSE)
		text = is_unix ? " (another server listens there)"
			       : " (another server listens there: `ss -ltnp` shows which)";
	else if (code == -EADDRNOTAVAIL)
		text = " (`ip address` shows those that this machine has)";
	else if (code == -EAFNOSUPPORT)
		text = " (IPv6 is switched off)";
	else if (code == -EAGAIN && is_unix)
		text = " (another process has locked the directory, see flock(1))";
	snprintf(out.text, sizeof(out.text), "%s", remark[0] != '\0' ? remark : text);
	return out;
}
