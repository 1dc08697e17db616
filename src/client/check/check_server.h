/* SPDX-License-Identifier: MIT */
/*
 * The server of `check --exec`: a command of the user's, which listens on a port of this machine.
 */
#ifndef CLIENT_CHECK_CHECK_SERVER_H
#define CLIENT_CHECK_CHECK_SERVER_H

#include <stdint.h>

#include "base/compiler.h"
#include "net/addr.h"
#include "net/command.h"

struct check_server {
	char *words; /* of the command, with the port in place of {port} */
	struct addr addr;
	struct command_run run;
};

/*
 * Chooses a free port of 127.0.0.1 and starts the command. Returns 0; -EINVAL without {port} in
 * it; -EADDRINUSE: no port is free; or -errno. In each case the caller ends it with
 * check_server_close().
 */
MUST_USE int check_server_open(const char *command, struct check_server *ret_server);
void check_server_close(struct check_server *server);

/* Starts it again, on the same port. */
MUST_USE int check_server_restart(struct check_server *server);

/*
 * Waits until it accepts connections. wake_fd: ends the wait when it becomes readable. Returns 0;
 * -ECHILD if the command has ended (run.status); -ETIMEDOUT; -EINTR for wake_fd; or -errno.
 */
MUST_USE int check_server_await(struct check_server *server, int wake_fd, uint64_t deadline_ns);

#endif
