/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho hold`: long-lived connections, kept open through any proxy, NAT or firewall on
 * the path, each with a periodic heartbeat. It reports what ends them.
 */
#ifndef CLIENT_HOLD_HOLD_LOOP_H
#define CLIENT_HOLD_HOLD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "client/bottleneck.h"
#include "client/hold/metrics_server.h"
#include "client/served_by.h"
#include "net/addr.h"
#include "stats/disconnects.h"

#define HOLD_CONNECTIONS_MAX 100000

struct hold_config {
	struct addr_spec server; /* kind ADDR_HOST or ADDR_UNIX */
	int family;              /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint64_t n_connections;  /* 1 to HOLD_CONNECTIONS_MAX */
	uint64_t interval_ns;    /* between heartbeats of a connection; 0: only one, once open */
	uint64_t wait_ns;        /* timeout of a heartbeat or of connecting; 0: none */
	uint64_t size;           /* bytes per heartbeat, 1 to PING_SIZE_MAX (client/ping.h) */
	uint64_t seed;           /* of the payload (base/payload.h) */
	uint64_t duration_ns;    /* 0: until a signal ends it */
	struct output *output;   /* receives a line for each disconnect */

	const struct addr_spec *metrics; /* address of the metrics server; NULL: none */
};

struct hold_report {
	struct disconnects disconnects;
	enum exit_status verdict; /* exit status: of the echo, or of this machine */
	bool is_interrupted;      /* a signal ended the run before its duration was over */
	struct served_by served_by;
	/* Why the times are limited by the client rather than the server; empty: they are not. */
	char client_bound[BOTTLENECK_SIZE];
};

/*
 * Holds connections until the run ends: the duration is over, INT or TERM comes, the server turns
 * out to be no echo server, or standard output fails. QUIT prints a line of figures in between.
 *
 * Returns STATUS_OK and *ret_report, owned by the caller (close its disconnects); or another
 * status, after a message. Until the server has answered, INT and TERM end the run with the status
 * of that signal.
 */
MUST_USE enum exit_status hold_run(const struct hold_config *config,
				   struct hold_report *ret_report);

#endif
