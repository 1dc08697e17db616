/* SPDX-License-Identifier: MIT */
/*
 * Service manager: takes sockets that it passed (sd_listen_fds(3)) and sends it our state
 * (sd_notify(3)). Both protocols need only a few lines, by design.
 */
#ifndef NET_SYSTEMD_H
#define NET_SYSTEMD_H

#include <stdbool.h>

#include "base/compiler.h"

/* The first passed descriptor; the others follow it. */
#define SYSTEMD_FIRST_FD 3

/*
 * Returns the number of descriptors passed to this process: LISTEN_FDS, if LISTEN_PID is our pid.
 * Removes these variables and LISTEN_FDNAMES from the environment, so that no child takes them for
 * its own. Must be called only once. Returns 0 if nothing was passed, or ERR_NOT_A_NUMBER or
 * ERR_OUT_OF_RANGE.
 */
MUST_USE int systemd_take_sockets(void);

/* Connection to the service manager. A zeroed one is closed. */
struct systemd_notify {
	bool is_open;
	int fd;
	const char *unsent; /* the state that did not fit into the manager's queue, NULL: none */
};

/*
 * Opens the socket that NOTIFY_SOCKET names, if it is set, and removes the variable from the
 * environment. Returns 0, also if it is not set, or -errno.
 */
MUST_USE int systemd_open_notify(struct systemd_notify *ret_notify);

/*
 * Sends "READY=1" or "STOPPING=1" (a string constant) without waiting. If the manager's queue is
 * full, the state replaces any older unsent one and is kept for systemd_retry_state(). Other errors
 * are ignored: the manager has its own timeout.
 */
void systemd_send_state(struct systemd_notify *notify, const char *state);
void systemd_retry_state(struct systemd_notify *notify);

void systemd_close_notify(struct systemd_notify *notify);

#endif
