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

/* Default port: that of the classic text (UNP). */
#define SERVE_DEFAULT_PORT 9877

/* What the command line asks for. */
struct faults;

struct serve_options {
	const struct engine *engine;       /* NULL: the best engine that this machine allows */
	const struct addr_spec *addresses; /* none: passed sockets, else SERVE_DEFAULT_PORT */
	size_t n_addresses;
	uint64_t max_clients;    /* 0: the default, or what this machine allows */
	uint64_t max_per_source; /* 0: no limit */
	uint64_t idle_timeout_ns;
	uint64_t drain_timeout_ns;
	uint64_t busy_poll_ns;
	uint32_t n_workers;  /* 0: the engine's default */
	uint32_t per_worker; /* maximum clients per worker of an engine that grows; at least 1 */
	int ready_fd;        /* gets the addresses once clients can connect; -1: none */
	bool become_user;    /* after the addresses are open */
	uid_t user;
	bool quiet;
	struct faults *faults; /* faults on request; NULL: none. shared: filled in by serve_run() */
};

/*
 * Serves until a signal ends the server. Logs all errors. Returns the exit status: STATUS_OK if
 * every client could finish, STATUS_ECHO_FAILED if not, STATUS_NO_CONNECTION if an address could
 * not be resolved, STATUS_MACHINE if it could not start or continue. A second request
 * (server/drain.h) ends the process by its signal: then it does not return.
 */
MUST_USE enum exit_status serve_run(const struct serve_options *options);

#endif
