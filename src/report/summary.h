/* SPDX-License-Identifier: MIT */
/*
 * A result in words, and as one JSON document.
 */
#ifndef REPORT_SUMMARY_H
#define REPORT_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/result.h"
#include "net/tcpinfo.h"

/* A result, and what was asked for. */
struct summary {
	const char *command;    /* "ping" */
	const char *target;     /* "127.0.0.1:9877" */
	const char *mode;       /* "closed", "open" */
	uint64_t n_connections; /* at a time */
	uint64_t size;          /* bytes of a message */
	uint64_t rate_wanted;   /* per second; of mode open */
	const struct result *result;
	const struct tcpinfo *kernel; /* what the kernel knew of the last connection; or NULL */
	bool tells_connecting;        /* are connect times part of what was asked for? */
	double cpu_share;             /* of a core, of the client's busiest thread; 0: not known */
	const char *client_bound;     /* why the client was the limit; NULL: it was not */
};

/*
 * Writes the lines of a summary: counts, failures by name, times in microseconds. Errors of writing
 * stay with `out`, for its owner (ferror(3)).
 */
void summary_write_text(FILE *out, const struct summary *summary);

/* The same of a load: rates, and a table of times with more percentiles. */
void summary_write_table(FILE *out, const struct summary *summary);

/*
 * The same as a JSON document (RFC 8259) with every count of the histogram, of which a reader can
 * make any figure again. Times are numbers of microseconds, null where there were none. Returns 0
 * or -ENOMEM.
 */
MUST_USE int summary_write_json(FILE *out, const struct summary *summary);

#endif
