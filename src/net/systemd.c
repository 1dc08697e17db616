/* SPDX-License-Identifier: MIT */
#include "net/systemd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/units.h"
#include "net/addr.h"
#include "net/io.h"

/* LISTEN_PID allows a program in between, such as a shell, to pass the environment on. */
static bool is_meant(const char *pid)
{
	uint64_t number;
	return pid != NULL && units_parse_count(pid, &number) == 0 && number == (uint64_t)getpid();
}

int systemd_take_sockets(void)
{
	const char *count = getenv("LISTEN_FDS");
	uint64_t number = 0;
	int rc = 0;
	if (count != NULL && is_meant(getenv("LISTEN_PID")))
		rc = units_parse_count(count, &number);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (rc < 0)
		return rc;
	return number <= INT_MAX - SYSTEMD_FIRST_FD ? (int)number : ERR_OUT_OF_RANGE;
}

/* Parses the address in NOTIFY_SOCKET: a path, or an abstract name that begins with '@'. */
MUST_USE static int notify_address(const char *name, struct addr *ret_addr)
{
	struct addr_spec spec = { .kind = ADDR_UNIX };
	struct addr found[ADDR_MAX_RESOLVED];
	size_t n = strlen(name);
	if (name[0] != '/' && name[0] != '@')
		return -EAFNOSUPPORT; /* vsock, for virtual machines */
	if (n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return ERR_PATH_TOO_LONG;
	memcpy(spec.host, name, n + 1);
	int rc = addr_resolve(&spec, AF_UNIX, found);
	if (rc < 0)
		return rc;
	*ret_addr = found[0];
	return 0;
}

int systemd_open_notify(struct systemd_notify *ret_notify)
{
	const char *name = getenv("NOTIFY_SOCKET");
	if (name == NULL)
		return 0;
	struct addr addr;
	int rc = notify_address(name, &addr);
	unsetenv("NOTIFY_SOCKET");
	if (rc < 0)
		return rc;

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Connect now, because the sandbox blocks abstract names later. */
	if (connect(fd, &addr.any, addr.len) < 0) {
		rc = -errno;
		io_close(&fd);
		return rc;
	}
	*ret_notify = (struct systemd_notify){ .is_open = true, .fd = fd };
	return 0;
}

void systemd_send_state(struct systemd_notify *notify, const char *state)
{
	if (!notify->is_open)
		return;
	ssize_t n = io_send(notify->fd, state, strlen(state));
	notify->unsent = n == -EAGAIN ? state : NULL;
}

void systemd_retry_state(struct systemd_notify *notify)
{
	if (notify->unsent != NULL)
		systemd_send_state(notify, notify->unsent);
}

void systemd_close_notify(struct systemd_notify *notify)
{
	if (notify->is_open)
		io_close(&notify->fd);
	notify->is_open = false;
}
