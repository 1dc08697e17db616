/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho bench`: verified load, from several threads, and what became of it.
 */
#ifndef CLIENT_LOAD_BENCH_H
#define CLIENT_LOAD_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/result.h"
#include "stats/time_series.h"
#include "stats/start_time.h"
#include "base/exit_status.h"
#include "client/own_limit.h"
#include "client/served_by.h"
#include "client/output.h"
#include "net/addr.h"
#include "net/tcpinfo.h"

#define BENCH_THREADS_MAX     64
#define BENCH_SOURCES_MAX     64
#define BENCH_CONNECTIONS_MAX UINT64_C(1000000)
#define BENCH_DEPTH_MAX       1024
#define BENCH_SIZE_MAX        (UINT64_C(16) * 1024 * 1024)

struct bench_config {
	struct addr_spec server;    /* of the kinds ADDR_HOST and ADDR_UNIX */
	int family;                 /* AF_UNSPEC, AF_INET or AF_INET6 */
	const struct addr *sources; /* where to connect from, in turn */
	size_t n_sources;           /* 0: anywhere */
	uint64_t n_connections;     /* at least n_threads */
	uint64_t size;              /* bytes of a message */
	uint64_t depth; /* messages of one connection under way at a time; 1 if it churns */
	uint64_t duration_ns, warmup_ns;
	uint64_t rate; /* messages per second, of all connections; 0: closed loop */
	uint64_t n_threads;
	uint64_t wait_ns; /* a message that is not back after so long has failed; 0: never */
	uint64_t seed;
	uint64_t start_at_ns;      /* since the epoch; 0: as soon as all are ready */
	bool churns;               /* a connection for each message */
	bool resets;               /* which is closed by RST */
	bool reconnects;           /* those that failed */
	bool is_quiet;             /* no line each second */
	bool shows_progress;       /* a line each second also where there is no terminal */
	struct output *output;     /* that will write the report */
	struct interval_sink sink; /* is told of each second of what counts */
};

struct bench_report {
	struct result result;
	enum exit_status verdict; /* the exit status: of the echo, or of this machine */
	struct served_by served_by;
	uint64_t start_ns;       /* when the measuring began, since the epoch; 0: it never did */
	struct start_time start; /* when it was to begin */
	bool is_interrupted;     /* by a signal, before the time was over */
	bool has_kernel;         /* are the next two known? */
	struct tcpinfo kernel;   /* of all connections: means, the minimum, the sum */
	struct tcpinfo_sending sending;
	double cpu_share;  /* of a core, all threads together, after the warm-up */
	double spin_share; /* of it: waiting without sleeping for messages to be due */
	/* Why the figures are rather the client's than the server's; empty: they are not. */
	char client_bound[OWN_LIMIT_SIZE];
};

/*
 * Connects at once, begins to send at start_at_ns, as long as there was time to connect before.
 * Runs to the end, or until INT or TERM, after which what was done is reported all the same; QUIT
 * prints a line in between. Returns STATUS_OK and *ret_report, the caller's, to be closed by
 * result_close(); or why there is none, which was said: until the server has answered, INT and TERM
 * end it by that signal.
 */
MUST_USE enum exit_status bench_run(const struct bench_config *config,
				    struct bench_report *ret_report);

#endif
