/* SPDX-License-Identifier: MIT */
/*
 * The result of a measurement: `ping` and `bench` count into it, report/ prints it as text and
 * JSON.
 *
 * Each thread counts into its own result. Results are added, including their histograms. Nothing is
 * averaged.
 */
#ifndef STATS_RESULT_H
#define STATS_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/histogram.h"

/* Maximum number of failure names per result; the program has fewer names. */
#define RESULT_FAILURES_MAX 64

/* A kind of failure, and its count. */
struct result_failure {
	const char *name; /* "ECONNRESET", "no_reply": static storage */
	uint64_t n;
};

/* Size of the sentence of a mismatch. */
#define RESULT_SENTENCE_SIZE 512

struct result {
	/* Messages that were begun: n_echoes + result_failed() + n_unfinished. */
	uint64_t n_sent;
	uint64_t n_echoes;       /* messages that came back complete, correct and in time */
	uint64_t n_unfinished;   /* messages in flight, and not late, at the end of the run */
	uint64_t bytes_sent;     /* payload bytes on all connections */
	uint64_t bytes_verified; /* bytes that came back as expected */
	uint64_t n_mismatches;   /* connections on which a byte was wrong */
	uint64_t wrong_bytes;    /* bytes that differed, as far as they were received */
	uint64_t n_connections;  /* connections that were opened */
	uint64_t elapsed_ns;     /* duration of the measurement */

	/* Failed messages, and RESULT_NEVER_SENT. */
	struct result_failure failures[RESULT_FAILURES_MAX];
	size_t n_failures;
	/* Failures of connections without a message: while connecting, idle, or closing. */
	struct result_failure connection_errors[RESULT_FAILURES_MAX];
	size_t n_connection_errors;
	char first_mismatch
		[RESULT_SENTENCE_SIZE]; /* what was wrong on the first of them, or empty */

	/*
	 * Response times, counted from the intended send time. Unfinished messages are included
	 * with their age at the end of the run, which is a lower bound.
	 */
	struct histogram response;
	struct histogram service; /* service times, counted from the actual send time */
	/* schedule lag: actual minus intended send time, caused by this client */
	struct histogram lateness;
	struct histogram connect; /* from SYN to established */
};

/* Makes an empty result; the caller must close it. Returns 0 or -ENOMEM. */
MUST_USE int result_open(struct result *ret_result);
void result_close(struct result *result);

/* Sets all counts to zero. */
void result_reset(struct result *result);

/* Failure name of messages that were due but never begun. They are not in n_sent. */
#define RESULT_NEVER_SENT "never_sent"

/* Counts n failures with this name. name: static storage. */
void result_fail(struct result *result, const char *name, uint64_t n);

/* Counts n errors of connections without a message. name: static storage. */
void result_connection_error(struct result *result, const char *name, uint64_t n);

/* Returns the number of failures of all kinds, including RESULT_NEVER_SENT. */
uint64_t result_failures(const struct result *result);

/* Returns the number of messages that were begun and failed. */
uint64_t result_failed(const struct result *result);

/* Returns the number of connection errors of all kinds. */
uint64_t result_connection_errors(const struct result *result);

/* Returns echoes per second; 0 if no time has passed. */
double result_rate(const struct result *result);

/* Returns the number of bytes that were sent and did not come back. */
uint64_t result_missing(const struct result *result);

/* Adds `from` to `into`, except elapsed_ns, which the caller sets. */
void result_add(struct result *into, const struct result *from);

#endif
