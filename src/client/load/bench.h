/* SPDX-License-Identifier: MIT */
/* `tcpecho bench`: verified load from several threads, and its report. */
#ifndef CLIENT_LOAD_BENCH_H
#define CLIENT_LOAD_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "client/bottleneck.h"
#include "client/output.h"
#include "client/served_by.h"
#include "net/addr.h"
#include "net/tcpinfo.h"
#include "stats/result.h"
#include "stats/start_time.h"
#include "stats/time_series.h"

#define BENCH_THREADS_MAX     64
#define BENCH_SOURCES_MAX     64
#define BENCH_CONNECTIONS_MAX UINT64_C(1000000)
#define BENCH_DEPTH_MAX       1024
#define BENCH_SIZE_MAX        (UINT64_C(16) * 1024 * 1024)

struct bench_config {
	struct addr_spec server;    /* kind ADDR_HOST or ADDR_UNIX */
	int family;                 /* AF_UNSPEC, AF_INET or AF_INET6 */
	const struct addr *sources; /* source addresses, used in turn */
	size_t n_sources;           /* 0: any source address */
	uint64_t n_connections;     /* at least n_threads */
	uint64_t size;              /* bytes per message */
	uint64_t depth;             /* maximum messages in flight per connection; 1 with churns */
	uint64_t duration_ns, warmup_ns;
	uint64_t rate; /* messages per second over all connections; 0: closed loop */
	uint64_t n_threads;
	uint64_t wait_ns; /* a message fails after this time without an echo; 0: never */
	uint64_t seed;
	uint64_t start_at_ns;  /* wanted start, since the epoch; 0: when all connections are open */
	bool churns;           /* open a connection for each message */
	bool resets;           /* with churns: close each connection by RST */
	bool reconnects;       /* open failed connections again */
	bool is_quiet;         /* print no line each second */
	bool shows_progress;   /* print a line each second even if standard error is no terminal */
	struct output *output; /* writes the report */
	struct recorder *recorder; /* receives each measured interval */
};

struct bench_report {
	struct result result;
	enum exit_status verdict; /* exit status: of the echo, or of this machine */
	struct served_by served_by;
	uint64_t start_ns;       /* start of measuring, since the epoch; 0: it never began */
	struct start_time start; /* wanted start, and by how much it was missed */
	bool is_interrupted;     /* a signal ended the run before its duration was over */
	bool has_kernel;         /* kernel and sending are known */
	struct tcpinfo kernel;   /* mean times, minimum RTT, sum of retransmissions */
	struct tcpinfo_sending sending;
	double cpu_share;  /* CPU time of all threads after the warm-up, in cores */
	double spin_share; /* part of cpu_share spent waiting for due messages without sleeping */
	/* Why the figures are limited by the client rather than the server; empty: they are not. */
	char client_bound[BOTTLENECK_SIZE];
};

/*
 * Connects at once and begins to send at start_at_ns, or later if connecting takes longer. Runs to
 * the end, or until INT or TERM, and then still reports what was measured. QUIT prints a line in
 * between.
 *
 * Returns STATUS_OK and *ret_report, owned by the caller (close its result with result_close()); or
 * another status, after a message. Until the server has answered, INT and TERM end the run with the
 * status of that signal.
 */
MUST_USE enum exit_status bench_run(const struct bench_config *config,
				    struct bench_report *ret_report);

#endif
