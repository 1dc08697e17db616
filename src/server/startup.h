/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho serve`: from its configuration to its exit status.
 */
#ifndef SERVER_STARTUP_H
#define SERVER_STARTUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/addr.h"
#include "server/engine.h"

/* Where it listens when it was given no address: the port of the classic text. */
#define SERVE_DEFAULT_PORT 9877

struct serve_config {
	const struct engine *engine;       /* NULL: the best that this machine allows */
	const struct addr_spec *addresses; /* none: what was passed, else SERVE_DEFAULT_PORT */
	size_t n_addresses;
	uint64_t max_clients;    /* 0: the default, or what this machine allows */
	uint64_t max_per_source; /* 0: no limit */
	uint64_t idle_timeout_ns;
	uint64_t drain_timeout_ns;
	uint64_t busy_poll_ns;
	uint32_t n_workers;  /* 0: as many as the engine wants */
	uint32_t per_worker; /* clients at once of one worker of an engine that grows, at least 1 */
	int ready_fd; /* the addresses are written there once clients can connect; -1: nowhere */
	bool become_user; /* once the addresses are open */
	uid_t user;
	bool quiet;
};

/*
 * Serves until it is told to end. Says everything there is to say. Returns the exit status:
 * STATUS_OK if every client that was there at the end could finish, STATUS_ECHO_FAILED if not,
 * STATUS_NO_CONNECTION when an address could not be looked up, STATUS_MACHINE when it could not
 * start or go on. A second request (server/drain.h) ends the process by its signal: then it does
 * not return.
 */
MUST_USE enum exit_status serve_run(const struct serve_config *config);

#endif
