/* SPDX-License-Identifier: MIT */
/* `tcpecho ping`: sends one message at a time and measures its round-trip time. */
#ifndef CLIENT_PING_H
#define CLIENT_PING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "client/bottleneck.h"
#include "client/output.h"
#include "client/served_by.h"
#include "net/addr.h"
#include "net/tcpinfo.h"
#include "stats/result.h"
#include "stats/time_series.h"

#define PING_SIZE_MAX ((size_t)16 * 1024 * 1024)

struct ping_config {
	struct addr_spec server;   /* kind ADDR_HOST or ADDR_UNIX */
	int family;                /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint64_t count;            /* number of messages; 0: unlimited */
	uint64_t interval_ns;      /* between messages; 0: send when the last is back */
	uint64_t wait_ns;          /* a message fails after this time without an echo; 0: never */
	uint64_t duration_ns;      /* ends the run, even with a message in flight; 0: unlimited */
	uint64_t size;             /* bytes per message, 1 to PING_SIZE_MAX */
	uint64_t seed;             /* of the payload (base/payload.h) */
	bool connect_each;         /* open a new connection for each message */
	bool spin;                 /* wait by polling without sleeping */
	struct output *output;     /* receives a line for each message */
	struct recorder *recorder; /* receives the result of each second */
};

struct ping_report {
	struct result result;
	enum exit_status verdict; /* exit status: of the echo, or of this machine */
	bool is_interrupted;      /* a signal ended the run before its count or duration */
	struct addr_text address; /* of the server, at the end */
	struct served_by served_by;
	uint64_t deviation_ns; /* standard deviation of the round trips */
	uint64_t start_ns;     /* when the first message was due, since the epoch */
	bool has_kernel;       /* kernel and sending are known */
	struct tcpinfo kernel; /* mean times, minimum RTT, sum of retransmissions */
	struct tcpinfo_sending sending;
	double cpu_share; /* CPU time of the thread, in cores */
	/* Why the times are limited by the client rather than the server; empty: they are not. */
	char client_bound[BOTTLENECK_SIZE];
};

/*
 * Pings until the run ends: the count is reached, the duration is over, INT or TERM comes, the
 * server turns out to be no echo server, or standard output fails. QUIT prints a line of figures in
 * between.
 *
 * Returns STATUS_OK and *ret_report, owned by the caller (close its result with result_close()); or
 * another status, after a message. Until the client is connected, INT and TERM end the run with the
 * status of that signal.
 */
MUST_USE enum exit_status ping_run(const struct ping_config *config,
				   struct ping_report *ret_report);

#endif
