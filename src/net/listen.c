/* SPDX-License-Identifier: MIT */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/io.h"
#include "net/signals.h"
#include "net/sockopt.h"
#include "net/sysinfo.h"

/* Pause between two attempts to get the lock of a directory. */
#define LOCK_RETRY_NS (5 * CLOCK_NS_PER_MS)

/* The highest TTL with which a segment can be sent. */
#define TTL_MAX 255

static const struct socket_option all_options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 1 },
};

/* Sets the options that accepted sockets inherit. */
MUST_USE static int set_inherited(int fd, int family)
{
	int rc = sockopt_set_connection(fd, family);
	return rc == 0 ? io_set_recv_timeout(fd, LISTEN_RETRY_NS) : rc;
}

MUST_USE static int set_options_for(int fd, int family, bool ipv6_only)
{
	const struct socket_option v6_options[] = { { IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only } };
	int rc = sockopt_set(fd, all_options, ARRAY_LEN(all_options));
	if (rc == 0 && family == AF_INET6)
		rc = sockopt_set(fd, v6_options, ARRAY_LEN(v6_options));
	return rc == 0 ? set_inherited(fd, family) : rc;
}

static bool is_path(const struct addr *addr)
{
	return addr->any.sa_family == AF_UNIX && addr->local.sun_path[0] != '\0';
}

/* ---- binding ---- */

MUST_USE static int bind_and_listen(int fd, const struct addr *addr)
{
	if (bind(fd, &addr->any, addr->len) < 0)
		return addr_error(addr, errno);
	return listen(fd, LISTEN_BACKLOG) < 0 ? -errno : 0;
}

/* Pauses before the next attempt. Returns 0, or -EINTR if a signal ends the start. */
MUST_USE static int wait_for_lock(void)
{
	int rc = io_wait(NULL, 0, clock_deadline_ns(LOCK_RETRY_NS));
	if (rc < 0)
		return rc;
	return signals_is_end_pending() ? -EINTR : 0;
}

/*
 * Locks the directory of a path. Returns a descriptor, or -errno. Closing it unlocks the directory.
 */
MUST_USE static int lock_directory(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash != NULL ? slash - path + 1 : 1),
		 slash != NULL ? path : ".");
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	uint64_t deadline_ns = clock_deadline_ns(LISTEN_LOCK_NS);
	for (;;) {
		bool is_last = clock_now_ns() >= deadline_ns;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		int rc = errno == EWOULDBLOCK || errno == EINTR ? wait_for_lock() : -errno;
		if (rc == 0 && is_last)
			rc = -EAGAIN;
		if (rc < 0) {
			io_close(&fd);
			return rc;
		}
	}
}

/* Returns whether no process listens at this path. */
static bool is_refused(const struct addr *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool refused = connect(fd, &addr->any, addr->len) < 0 && errno == ECONNREFUSED;
	io_close(&fd);
	return refused;
}

/* Removes the socket file of a dead server. Returns 0 if the path is free now. */
MUST_USE static int clear_path(const struct addr *addr, int lock_fd)
{
	struct stat status;
	if (lstat(addr->local.sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -EADDRINUSE; /* ENOENT: its server has just ended */
	/* connect(2) to a regular file is refused too, but that file is not ours to remove. */
	if (!S_ISSOCK(status.st_mode) || !is_refused(addr))
		return -EADDRINUSE;
	if (lock_fd < 0)
		return lock_fd;
	return listen_remove_path(addr, (struct listen_path){ status.st_dev, status.st_ino });
}

/*
 * Between bind(2) and listen(2) a live server looks like a dead one. So both calls, and the check
 * and removal of stale paths, happen while the directory is locked.
 */
MUST_USE static int take_path(int fd, const struct addr *addr)
{
	int lock_fd = lock_directory(addr->local.sun_path);
	if (lock_fd == -EINTR)
		return -EINTR;
	int rc = bind_and_listen(fd, addr);
	if (rc == -EADDRINUSE) {
		rc = clear_path(addr, lock_fd);
		if (rc == 0)
			rc = bind_and_listen(fd, addr);
	}
	io_close(&lock_fd);
	return rc;
}

MUST_USE static int take_address(int fd, const struct addr *addr)
{
	if (is_path(addr))
		return take_path(fd, addr);
	int rc = bind_and_listen(fd, addr);
	bool may_be_any = addr->any.sa_family != AF_UNIX && addr_port(addr) == 0;
	return rc == -EADDRINUSE && may_be_any ? ERR_NO_FREE_PORT : rc;
}

MUST_USE static int open_listener(const struct addr *addr, bool ipv6_only)
{
	int family = addr->any.sa_family;
	if (!addr_is_unicast(addr) || addr_is_subnet_broadcast(addr))
		return ERR_NOT_UNICAST;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;

	int rc = set_options_for(fd, family, ipv6_only);
	if (rc == 0)
		rc = take_address(fd, addr);
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	return fd;
}

int listen_open(const struct addr *addr)
{
	return open_listener(addr, false);
}

int listen_open_ipv6_only(const struct addr *addr)
{
	return open_listener(addr, true);
}

/* Returns whether this code means that the kernel or a security policy does not allow IPv6. */
static bool is_without_ipv6(int code)
{
	return code == -EAFNOSUPPORT || code == -EADDRNOTAVAIL || code == -EPERM || code == -EACCES;
}

int listen_open_wildcard(uint16_t port)
{
	struct addr addr = addr_wildcard(AF_INET6, port);
	int fd = sysinfo_has_ipv6() ? listen_open(&addr) : -EAFNOSUPPORT;
	if (!is_without_ipv6(fd))
		return fd;
	addr = addr_wildcard(AF_INET, port);
	return listen_open(&addr);
}

bool listen_takes_ipv4(int fd)
{
	int ipv6_only = 0;
	socklen_t size = sizeof(ipv6_only);
	return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &ipv6_only, &size) == 0 && ipv6_only == 0;
}

/* ---- sockets that are passed in ---- */

MUST_USE static int get_option(int fd, int name, int *ret_value)
{
	socklen_t size = sizeof(*ret_value);
	return getsockopt(fd, SOL_SOCKET, name, ret_value, &size) < 0 ? -errno : 0;
}

/* Checks that it is a listening TCP or unix stream socket. Sets *ret_family. */
MUST_USE static int check_listener(int fd, int *ret_family)
{
	int type = 0, listens = 0, family = 0, protocol = 0;
	int rc = get_option(fd, SO_TYPE, &type);
	if (rc == 0)
		rc = get_option(fd, SO_ACCEPTCONN, &listens);
	if (rc == 0)
		rc = get_option(fd, SO_DOMAIN, &family);
	if (rc == 0)
		rc = get_option(fd, SO_PROTOCOL, &protocol);
	if (rc == -ENOTSOCK)
		return ERR_NO_LISTENER;
	if (rc < 0)
		return rc;
	if (type != SOCK_STREAM || !listens)
		return ERR_NO_LISTENER;
	bool is_tcp = (family == AF_INET || family == AF_INET6) && protocol == IPPROTO_TCP;
	if (!is_tcp && family != AF_UNIX)
		return ERR_NOT_TCP;
	*ret_family = family;
	return 0;
}

MUST_USE static int check_unicast(int fd)
{
	struct addr addr;
	int rc = addr_of_socket(fd, &addr);
	return rc == 0 && !addr_is_unicast(&addr) ? ERR_NOT_UNICAST : rc;
}

int listen_adopt(int fd)
{
	int family;
	int rc = check_listener(fd, &family);
	if (rc == 0)
		rc = set_inherited(fd, family);
	if (rc == 0)
		rc = io_set_nonblock_cloexec(fd);
	if (rc == 0)
		rc = check_unicast(fd);
	if (rc == 0)
		listen_resume(fd, family);
	return rc;
}

/* ---- stopping, the path ---- */

/* Sets the minimum TTL (IPv6: hop limit) that segments must have. */
MUST_USE static int set_min_ttl(int fd, int family, int ttl)
{
	const struct socket_option options[] = {
		{ IPPROTO_IP, IP_MINTTL, ttl },
		/* second, because an IPv6 socket takes both */
		{ IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl },
	};
	return family == AF_UNIX ? 0 : sockopt_set(fd, options, family == AF_INET6 ? 2 : 1);
}

MUST_USE static int stop_tcp(int fd, int family, bool is_passed)
{
	static const struct socket_option no_interface[] = {
		{ SOL_SOCKET, SO_BINDTOIFINDEX, INT_MAX },
	};
	if (!is_passed && sockopt_set(fd, no_interface, ARRAY_LEN(no_interface)) == 0)
		return 0;
	return set_min_ttl(fd, family, TTL_MAX);
}

bool listen_stop(int fd, int family, bool is_passed)
{
	if (family == AF_UNIX && !is_passed && shutdown(fd, SHUT_RD) == 0)
		return true;
	/* If it fails, a client that arrives just before the close may be reset. */
	if (family == AF_UNIX || stop_tcp(fd, family, is_passed) < 0)
		ignore_result(listen(fd, 0));
	return false;
}

void listen_resume(int fd, int family)
{
	ignore_result(listen(fd, LISTEN_BACKLOG)); /* only the queue length changes */
	/* Last, because connections arrive from now on. */
	ignore_result(set_min_ttl(fd, family, 0)); /* if it cannot be set, it was not set */
}

void listen_release(int fd, int family)
{
	ignore_result(set_min_ttl(fd, family, 0)); /* as above */
}

bool listen_was_overrun(int fd)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);
	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 &&
	       memory[SK_MEMINFO_DROPS] > 0;
}

struct listen_path listen_path_of(const struct addr *addr)
{
	struct stat status;
	if (!is_path(addr) || lstat(addr->local.sun_path, &status) < 0)
		return (struct listen_path){ 0 };
	return (struct listen_path){ .device = status.st_dev, .inode = status.st_ino };
}

int listen_remove_path(const struct addr *addr, struct listen_path made)
{
	if (made.inode == 0)
		return 0;
	struct stat now;
	if (lstat(addr->local.sun_path, &now) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (now.st_ino != made.inode || now.st_dev != made.device)
		return 0;
	/* ENOENT: another process removed it in the meantime */
	return unlink(addr->local.sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* ---- all addresses of a name ---- */

/* Number of requests to the kernel for a free port, before all ports are tried. */
#define FREE_PORT_TRIES 16

/* Returns whether this machine does not have the address. */
static bool is_foreign(int code)
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
	int opened = 0, foreign = 0, rc = 0;
	for (int i = 0; i < n && rc == 0; i++) {
		struct addr addr = list[i];
		addr_set_port(&addr, port);
		int fd = listen_open(&addr);
		if (is_foreign(fd)) {
			foreign = fd;
			continue;
		}
		if (fd >= 0)
			fds[opened++] = fd;
		rc = fd < 0 ? fd : port == 0 ? port_of(fd, &port) : 0;
	}
	if (rc == 0)
		return opened > 0 ? opened : foreign;
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

/* ---- words ---- */

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
