/* SPDX-License-Identifier: MIT */
#include "net/listen.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "net/io.h"
#include "net/options.h"

static const struct socket_option all_options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 1 },
};

static const struct socket_option v6_options[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 0 },
};

/* What is handed down to the sockets that are accepted. */
MUST_USE static int set_inherited(int fd, int family)
{
	int rc = options_set_connection(fd, family);
	return rc == 0 ? io_set_patience(fd, LISTEN_PATIENCE_NS) : rc;
}

MUST_USE static int set_options_for(int fd, int family)
{
	int rc = options_set(fd, all_options, ARRAY_LEN(all_options));
	if (rc == 0 && family == AF_INET6)
		rc = options_set(fd, v6_options, ARRAY_LEN(v6_options));
	return rc == 0 ? set_inherited(fd, family) : rc;
}

static bool is_path(const struct addr *addr)
{
	return addr->any.sa_family == AF_UNIX && addr->local.sun_path[0] != '\0';
}

/* Is there a socket at this path on which nobody listens any more? */
static bool is_stale_path(const struct addr *addr)
{
	/* To connect to an ordinary file is refused as well: that one is not ours to remove. */
	struct stat status;
	if (lstat(addr->local.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return false;

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool refused = connect(fd, &addr->any, addr->len) < 0 && errno == ECONNREFUSED;
	io_close(&fd);
	return refused;
}

MUST_USE static int bind_to(int fd, const struct addr *addr)
{
	if (bind(fd, &addr->any, addr->len) == 0)
		return 0;
	int rc = -errno;
	if (rc != -EADDRINUSE || !is_path(addr) || !is_stale_path(addr))
		return rc;
	ignore_result(listen_remove_path(addr, listen_path_of(addr))); /* bind will say it */
	return bind(fd, &addr->any, addr->len) == 0 ? 0 : -errno;
}

int listen_open(const struct addr *addr)
{
	int family = addr->any.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;

	int rc = set_options_for(fd, family);
	if (rc == 0)
		rc = bind_to(fd, addr);
	if (rc == 0 && listen(fd, LISTEN_BACKLOG) < 0)
		rc = -errno;
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	return fd;
}

MUST_USE static int get_option(int fd, int name, int *ret_value)
{
	socklen_t size = sizeof(*ret_value);
	return getsockopt(fd, SOL_SOCKET, name, ret_value, &size) < 0 ? -errno : 0;
}

/* Is it a stream socket that listens? Then *ret_family is IPv4, IPv6 or unix. */
MUST_USE static int check_listener(int fd, int *ret_family)
{
	int type = 0, listens = 0, family = 0;
	int rc = get_option(fd, SO_TYPE, &type);
	if (rc == 0)
		rc = get_option(fd, SO_ACCEPTCONN, &listens);
	if (rc == 0)
		rc = get_option(fd, SO_DOMAIN, &family);
	if (rc == -ENOTSOCK)
		return ERR_NO_LISTENER;
	if (rc < 0)
		return rc;
	bool is_ours = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
	if (type != SOCK_STREAM || !listens || !is_ours)
		return ERR_NO_LISTENER;
	*ret_family = family;
	return 0;
}

int listen_adopt(int fd)
{
	int family;
	int rc = check_listener(fd, &family);
	if (rc == 0)
		rc = set_inherited(fd, family);
	if (rc == 0)
		rc = io_set_ours(fd);
	if (rc == 0)
		listen_open_queue(fd);
	return rc;
}

void listen_open_queue(int fd)
{
	ignore_result(listen(fd, LISTEN_BACKLOG)); /* it listens already, if with a shorter one */
}

void listen_shut_queue(int fd)
{
	ignore_result(listen(fd, 0)); /* nothing depends on it: the queue is only longer */
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
	struct listen_path now = listen_path_of(addr);
	if (made.inode == 0 || now.inode != made.inode || now.device != made.device)
		return 0;
	/* ENOENT: somebody was quicker, as well */
	return unlink(addr->local.sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}
