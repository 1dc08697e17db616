/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho ping --hold`: connections that are held for long, through whatever stands between, each
 * with a heartbeat now and then; and what those that die have died of.
 */
#ifndef CLIENT_HOLD_HOLD_LOOP_H
#define CLIENT_HOLD_HOLD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/disconnects.h"
#include "base/exit_status.h"
#include "client/own_limit.h"
#include "client/hold/metrics_server.h"
#include "client/served_by.h"
#include "net/addr.h"

#define HOLD_CONNECTIONS_MAX 100000

struct hold_config {
	struct addr_spec server; /* of the kinds ADDR_HOST and ADDR_UNIX */
	int family;              /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint64_t n_connections;  /* 1 to HOLD_CONNECTIONS_MAX */
	uint64_t interval_ns;    /* of one connection's heartbeats; 0: only one, when it is open */
	uint64_t wait_ns;        /* for a heartbeat, or a connection; 0: for ever */
	uint64_t size;           /* bytes of a heartbeat, 1 to PING_SIZE_MAX (client/ping.h) */
	uint64_t seed;           /* of the payload (base/payload.h) */
	uint64_t duration_ns;    /* 0: until it is ended */
	struct output *output;   /* of a line for each death */

	const struct addr_spec *metrics; /* where a page of figures is served; NULL: nowhere */
	metrics_render_fn *render;       /* what stands on it */
};

struct hold_report {
	struct disconnects disconnects;
	enum exit_status verdict; /* the exit status: of the echo, or of this machine */
	bool is_interrupted;      /* by a signal, before the time that was asked for was over */
	struct served_by served_by;
	/* Why the times are rather the client's than the server's; empty: they are not. */
	char client_bound[OWN_LIMIT_SIZE];
};

/*
 * Holds them until the time is over, INT or TERM ends it, the server turns out to be no echo
 * server, or standard output cannot be written any more; QUIT prints a line of figures in between.
 * Returns STATUS_OK and *ret_report, the caller's, its deaths to be closed; or the status of what
 * failed, after a message. Until the server has answered, INT and TERM end it by that signal.
 */
MUST_USE enum exit_status hold_run(const struct hold_config *config,
				   struct hold_report *ret_report);

#endif
