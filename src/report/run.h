/* SPDX-License-Identifier: MIT */
/*
 * A run: what `ping` or `bench` did, where, and what it found; or what another tool's file says of
 * such a run. It is written as one JSON document (docs/RESULT.md, docs/result.schema.json), read
 * again, added to others, compared and drawn.
 *
 * A run owns all it points at. A zeroed one is a closed one.
 */
#ifndef REPORT_RUN_H
#define REPORT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/result.h"
#include "stats/time_series.h"
#include "stats/start_time.h"
#include "net/tcpinfo.h"

/* Where a run is from, which is how much is known of it. */
enum run_format {
	RUN_TCPECHO, /* everything */
	RUN_HLOG,    /* HdrHistogram's interval log: every count, when; nothing else */
	RUN_HGRM,    /* HdrHistogram's list of percentiles, as wrk2 prints it: no counts */
	RUN_FORTIO,  /* fortio's JSON: coarse buckets */
};

/* Of where and how it ran. A text is NULL where nothing is known. */
struct run_facts {
	char *version;            /* of the program: "0.1.0" */
	char *host;               /* uname(2): nodename */
	char *kernel;             /* "Linux 6.18.5 x86_64" */
	char *cpu;                /* "AMD EPYC 9R14" */
	uint64_t n_cpus;          /* that it may run on; 0: not known */
	char *command_line;       /* as one would type it in a shell */
	uint64_t start_ns;        /* when the measuring began, since the epoch; 0: not known */
	char *congestion_control; /* of its connections: "cubic" */
	uint64_t mss;             /* bytes of a segment of its connections; 0: not known */
};

/*
 * One run of a sum: what the facts of the sum are made of. So a sum of sums is the sum of all their
 * runs, in whatever order they were added.
 */
struct run_part {
	uint64_t id; /* report/run_id.h */
	uint64_t start_ns, elapsed_ns;
	uint64_t n_connections, n_threads, rate_wanted;
	char *host, *target; /* NULL: not known */
	char *client_bound;  /* as that of a run */
	bool is_interrupted;
};

struct run_parts {
	struct run_part *list; /* by rising id */
	size_t n;              /* 0: the run is no sum, or its file does not have them */
};

struct run {
	char *name; /* what to call it: its file, without directory; NULL: it was not read */
	enum run_format format;
	uint64_t n_merged; /* runs that it is the sum of; 1: it is one */
	struct run_parts parts;

	struct run_facts facts;
	char *command; /* "ping", "bench"; NULL of another tool */
	char *target;  /* "127.0.0.1:9877" */
	char *mode;    /* "closed", "open" */
	uint64_t n_connections, size, depth, n_threads, seed;
	uint64_t rate_wanted; /* per second; 0: a closed loop */
	bool churns;
	uint64_t warmup_ns;    /* before the measuring began */
	uint64_t wanted_ns;    /* duration that was asked for; 0: none, or not known */
	bool is_interrupted;   /* by a signal, before that was over */
	uint64_t deviation_ns; /* standard deviation of the round trips; 0: not known */

	struct result result;
	struct time_series series;

	struct start_time start;

	bool has_kernel; /* is the next known? */
	struct tcpinfo kernel;
	double cpu_share;   /* of a core, of all threads of the client; 0: not known */
	double spin_share;  /* of it: waiting without sleeping for messages to be due */
	char *client_bound; /* why the client was the limit; NULL: it was not */
};

/* Makes an empty one, of one run, the caller's, to be closed. Returns 0 or -ENOMEM. */
MUST_USE int run_open(struct run *ret_run);
void run_close(struct run *run);

/* What is to be known of the figures of a run; "" if nothing is. */
struct run_caveats {
	char text[512];
};

/*
 * Why a run is no measurement of its server, or not a whole one: the client was the limit, a signal
 * ended it early or, of bench, the wait for replies after it: nothing else leaves messages
 * unfinished there. In words, with "; " between them.
 */
struct run_caveats run_measurement_caveats(const struct run *run);

/* What failed in a run: its times are without that. In words. */
struct run_caveats run_failure_caveats(const struct run *run);

/* From its beginning to its end: more than what it took, of a sum of runs with pauses between. */
uint64_t run_span_ns(const struct run *run);

#endif
