/* SPDX-License-Identifier: MIT */
/*
 * What a measurement found: what `ping` and `bench` count, and report/ turns into text and JSON.
 *
 * Each thread counts into one of its own; results are added, histograms and all, and nothing is
 * ever averaged.
 */
#ifndef STATS_RESULT_H
#define STATS_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/histogram.h"

/* Kinds of failures in one result; there are not so many names in the program. */
#define RESULT_FAILURES_MAX 64

/* A kind of failure, and how often it was. */
struct result_failure {
	const char *name; /* "ECONNRESET", "no_reply": static storage */
	uint64_t n;
};

/* Room for the sentence of a failure. */
#define RESULT_SENTENCE_SIZE 512

struct result {
	/* Messages that were begun: n_echoes + result_failed() + n_unfinished. */
	uint64_t n_sent;
	uint64_t n_echoes;       /* messages that came back whole, right and in time */
	uint64_t n_unfinished;   /* messages under way, and not late, when the run was ended */
	uint64_t bytes_sent;     /* payload, of any connection */
	uint64_t bytes_verified; /* came back, and were what they should be */
	uint64_t n_mismatches;   /* connections on which a byte was wrong */
	uint64_t wrong_bytes;    /* bytes that came back different, as far as they were received */
	uint64_t n_connections;  /* connections that were opened */
	uint64_t elapsed_ns;     /* what all this took */

	/* Messages that failed, and RESULT_NEVER_SENT. */
	struct result_failure failures[RESULT_FAILURES_MAX];
	size_t n_failures;
	/* Failures of connections that carried no message: while connecting, idle, or closing. */
	struct result_failure connection_errors[RESULT_FAILURES_MAX];
	size_t n_connection_errors;
	char first_mismatch
		[RESULT_SENTENCE_SIZE]; /* what was wrong on the first of them, or empty */

	/*
	 * Round trips, from when the message was due. Unfinished messages are in it with their age
	 * at the end of the run, which is a lower bound.
	 */
	struct histogram response;
	struct histogram service;  /* the same, from when it was sent */
	struct histogram lateness; /* how much later than due it was sent, by our own doing */
	struct histogram connect;  /* from SYN to established */
};

/* Makes an empty one, the caller's, to be closed. Returns 0 or -ENOMEM. */
MUST_USE int result_open(struct result *ret_result);
void result_close(struct result *result);

/* Forgets all that was counted. */
void result_reset(struct result *result);

/* Failure of messages that were due and never begun: they are not in n_sent. */
#define RESULT_NEVER_SENT "never_sent"

/* Counts n failures of a kind. name: static storage. */
void result_fail(struct result *result, const char *name, uint64_t n);

/* Counts n errors of connections that carried no message. name: static storage. */
void result_connection_error(struct result *result, const char *name, uint64_t n);

/* Returns the number of failures of all kinds, RESULT_NEVER_SENT included. */
uint64_t result_failures(const struct result *result);

/* Returns the number of messages that were begun and failed. */
uint64_t result_failed(const struct result *result);

/* Returns the number of connection errors of all kinds. */
uint64_t result_connection_errors(const struct result *result);

/* Echoes per second; 0 of what took no time. */
double result_rate(const struct result *result);

/* Bytes that were sent and did not come back. */
uint64_t result_missing(const struct result *result);

/* Adds all of `from` but elapsed_ns, which is for whoever started the threads. */
void result_add(struct result *into, const struct result *from);

#endif
