/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho ping`: one echo at a time, and how long it took.
 */
#ifndef CLIENT_PING_H
#define CLIENT_PING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/result.h"
#include "stats/time_series.h"
#include "base/exit_status.h"
#include "client/own_limit.h"
#include "client/served_by.h"
#include "client/output.h"
#include "net/addr.h"
#include "net/tcpinfo.h"

#define PING_SIZE_MAX ((size_t)16 * 1024 * 1024)

struct ping_config {
	struct addr_spec server; /* of the kinds ADDR_HOST and ADDR_UNIX */
	int family;              /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint64_t count;          /* messages, 0: without end */
	uint64_t interval_ns;  /* from one message to the next; 0: the next when the last is back */
	uint64_t wait_ns;      /* a message that is not back after this time failed; 0: never */
	uint64_t duration_ns;  /* the run ends after this time, whatever is under way; 0: never */
	uint64_t size;         /* bytes of a message, 1 to PING_SIZE_MAX */
	uint64_t seed;         /* of the payload (base/payload.h) */
	bool connect_each;     /* a new connection for each message */
	bool spin;             /* wait by looking again and again */
	struct output *output; /* of a line for each message */
	struct interval_sink sink; /* is told of each second */
};

struct ping_report {
	struct result result;
	enum exit_status verdict; /* the exit status: of the echo, or of this machine */
	bool is_interrupted;      /* a signal ended it before the count or the duration was over */
	struct addr_text address; /* of the server, at the end */
	struct served_by served_by;
	uint64_t deviation_ns; /* standard deviation of the round trips */
	uint64_t start_ns;     /* when the first message was due, since the epoch */
	bool has_kernel;       /* are the next two known? */
	struct tcpinfo kernel; /* of all connections: means, the minimum, the sum */
	struct tcpinfo_sending sending;
	double cpu_share; /* of a core */
	/* Why the times are rather the client's than the server's; empty: they are not. */
	char client_bound[OWN_LIMIT_SIZE];
};

/*
 * Pings until all are done, the time is over, INT or TERM ends it, the server turns out to be no
 * echo server, or standard output cannot be written any more; QUIT prints a line of figures in
 * between. Returns STATUS_OK and *ret_report, the caller's, to be closed by result_close(); or the
 * status of what failed, after a message. INT and TERM end it by that signal until it is connected.
 */
MUST_USE enum exit_status ping_run(const struct ping_config *config,
				   struct ping_report *ret_report);

#endif
