/* SPDX-License-Identifier: MIT */
/*
 * What a measurement found: what `ping` and `bench` count, and report/ turns into text and JSON.
 *
 * Each thread counts into one of its own; results are added, histograms and all, and nothing is
 * ever averaged.
 */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/histogram.h"

/* Kinds of failures in one result; there are not so many names in the program. */
#define RESULT_FAILURES_MOST 64

/* A kind of failure, and how often it was. */
struct result_failure {
	const char *name; /* "ECONNRESET", "no_reply": static storage */
	uint64_t n;
};

/* Room for the sentence of a failure. */
#define RESULT_SENTENCE_SIZE 512

struct result {
	uint64_t n_sent;         /* messages whose first byte was sent */
	uint64_t n_echoes;       /* messages that came back whole, right and in time */
	uint64_t bytes_sent;     /* payload, of any connection */
	uint64_t bytes_verified; /* came back, and were what they should be */
	uint64_t n_mismatches;   /* connections on which a byte was wrong */
	uint64_t n_connections;  /* connections that were opened */
	uint64_t elapsed_ns;     /* what all this took */

	struct result_failure failures[RESULT_FAILURES_MOST];
	size_t n_failures;
	char first_mismatch
		[RESULT_SENTENCE_SIZE]; /* what was wrong on the first of them, or empty */

	struct histogram response; /* round trips, from when the message was due */
	struct histogram service;  /* the same, from when it was sent */
	struct histogram lateness; /* how much later than due it was sent, by our own doing */
	struct histogram connect;  /* from SYN to established */
};

/* Makes an empty one, the caller's, to be closed. Returns 0 or -ENOMEM. */
MUST_USE int result_open(struct result *ret_result);
void result_close(struct result *result);

/* Forgets all that was counted. */
void result_reset(struct result *result);

/* Counts n failures of a kind. name: static storage. */
void result_fail(struct result *result, const char *name, uint64_t n);

/* How many failures there were, of all kinds. */
uint64_t result_failures(const struct result *result);

/* Echoes per second; 0 of what took no time. */
double result_rate(const struct result *result);

/* Bytes that were sent and did not come back. */
uint64_t result_missing(const struct result *result);

/* Adds all of `from` but elapsed_ns, which is for whoever started the threads. */
void result_add(struct result *into, const struct result *from);

#endif
