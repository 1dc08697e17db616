/* SPDX-License-Identifier: MIT */
/*
 * Started by a service manager: sockets that are passed in (sd_listen_fds(3)), and telling it how
 * far we are (sd_notify(3)). Both are protocols of a few lines, and meant to be.
 */
#ifndef NET_ACTIVATION_H
#define NET_ACTIVATION_H

#include <stdbool.h>

#include "base/compiler.h"

/* The first descriptor that is passed; the others follow it. */
#define ACTIVATION_FIRST_FD 3

/*
 * How many descriptors were passed to this process: what LISTEN_FDS says, if LISTEN_PID is ours.
 * Takes these variables, and LISTEN_FDNAMES, out of the environment, so that nobody else believes
 * to be meant: to be called once. Returns 0 where nothing was passed, ERR_NOT_A_NUMBER or
 * ERR_OUT_OF_RANGE.
 */
MUST_USE int activation_take(void);

/* The way to a service manager that wants to know. A zeroed one is none. */
struct activation_notify {
	bool is_open;
	int fd;
	const char *unsent; /* the state that its queue had no room for, NULL: none */
};

/*
 * Opens the way that NOTIFY_SOCKET names, if there is one, and takes the variable out of the
 * environment. Returns 0, also where nobody wants to know, or -errno.
 */
MUST_USE int activation_open_notify(struct activation_notify *ret_notify);

/*
 * Sends "READY=1" or "STOPPING=1", a string constant, without waiting. If the manager's queue is
 * full, the state is kept for activation_retry(), in place of an older one. Other errors are
 * ignored: the manager notices by its own timeout.
 */
void activation_tell(struct activation_notify *notify, const char *state);
void activation_retry(struct activation_notify *notify);

void activation_close_notify(struct activation_notify *notify);

#endif
