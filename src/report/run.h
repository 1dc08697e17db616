/* SPDX-License-Identifier: MIT */
/*
 * A run: what `ping` or `bench` did, where, and its result, or what the file of another tool says
 * about such a run. It is written as a JSON document (docs/RESULT.md, docs/result.schema.json),
 * read again, merged, compared and drawn.
 *
 * A run owns everything it points to. A zeroed run is closed.
 */
#ifndef REPORT_RUN_H
#define REPORT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/tcpinfo.h"
#include "stats/result.h"
#include "stats/start_time.h"
#include "stats/time_series.h"
#include "stats/verdict.h"

/* The source of a run, which determines how much is known about it. */
enum run_format {
	RUN_TCPECHO, /* everything */
	RUN_HLOG,    /* HdrHistogram's interval log: every count and the times; nothing else */
	RUN_HGRM,    /* HdrHistogram's percentile list, as wrk2 prints it: no counts */
	RUN_FORTIO,  /* fortio's JSON: coarse buckets */
	RUN_CHECK,   /* the verdicts of `check`: no messages, no times */
};

/* What a run of the format RUN_CHECK has instead of a result. */
struct run_verdicts {
	char *address; /* that was connected to; NULL: unknown */
	uint64_t n_selected;
	struct check_result *list;
	size_t n;
};

/* Where and how it ran. A text is NULL if unknown. */
struct run_facts {
	char *version;            /* of tcpecho: "0.1.0" */
	char *host;               /* uname(2): nodename */
	char *kernel;             /* "Linux 6.18.5 x86_64" */
	char *cpu;                /* "AMD EPYC 9R14" */
	uint64_t n_cpus;          /* processors that it could use; 0: unknown */
	char *command_line;       /* quoted for a shell */
	uint64_t start_ns;        /* start of the measurement, ns since 1970; 0: unknown */
	char *congestion_control; /* algorithm, as "cubic"; NULL: unknown */
	uint64_t mss;             /* maximum segment size in bytes; 0: unknown */
};

/*
 * One run of a sum. The facts of a sum are computed from its parts. So a sum of sums is the sum of
 * all their runs, in any order.
 */
struct run_part {
	uint64_t id; /* report/run_parts.h */
	uint64_t start_ns, elapsed_ns;
	uint64_t n_connections, n_threads, rate_wanted;
	char *host, *target; /* NULL: unknown */
	char *client_bound;  /* as in struct run */
	bool is_interrupted;
};

struct run_parts {
	struct run_part *list; /* in rising order of id */
	size_t n;              /* 0: not a sum, or its file does not list them */
};

struct run {
	char *name; /* its file name without directory; NULL: not from a file */
	enum run_format format;
	uint64_t n_merged; /* number of runs in the sum; 1: a single run */
	struct run_parts parts;

	struct run_facts facts;
	char *command; /* "ping", "bench"; NULL: another tool */
	char *target;  /* "127.0.0.1:9877" */
	char *mode;    /* "closed", "open" */
	uint64_t n_connections, size, depth, n_threads, seed;
	uint64_t rate_wanted; /* requests per second; 0: closed loop */
	bool churns;
	uint64_t warmup_ns;    /* warm-up before the measurement */
	uint64_t wanted_ns;    /* requested duration; 0: none or unknown */
	bool is_interrupted;   /* a signal ended the run early */
	uint64_t deviation_ns; /* standard deviation of the round trips; 0: unknown */

	struct result result;
	struct time_series series;

	struct start_time start;

	bool has_kernel; /* whether `kernel` is known */
	struct tcpinfo kernel;
	double cpu_share;   /* CPU use of all client threads, in cores; 0: unknown */
	double spin_share;  /* part of cpu_share: busy waiting for messages to become due */
	char *client_bound; /* why the client was the bottleneck; NULL: it was not */

	struct run_verdicts verdicts; /* only of RUN_CHECK */
};

/* Makes an empty run (n_merged is 1); the caller must close it. Returns 0 or -ENOMEM. */
MUST_USE int run_open(struct run *ret_run);
void run_close(struct run *run);

/* Warnings about the results of a run; "" if there are no warnings. */
struct run_caveats {
	char text[512];
};

/*
 * Returns why a run is not a valid or not a complete measurement of the server: the client was the
 * bottleneck, or a signal ended the run early. For bench, also that a signal ended the wait for
 * replies: only that leaves messages unfinished. Reasons are separated by "; ".
 */
struct run_caveats run_measurement_caveats(const struct run *run);

/* Returns what failed in a run: failed messages are missing from its times. */
struct run_caveats run_failure_caveats(const struct run *run);

/*
 * Returns the time from start to end: more than the elapsed time, for a sum with pauses between
 * runs.
 */
uint64_t run_span_ns(const struct run *run);

#endif
