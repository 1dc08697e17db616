/* SPDX-License-Identifier: MIT */
/*
 * Standard output of a client that measures: lines about events as they happen, and a report at the
 * end.
 *
 * Lines never wait for their reader, because that would distort the measurement. While standard
 * output is blocked, OUTPUT_ROOM bytes of lines are kept. Further lines are left out, and one line
 * says how many. The report waits until it is written, or until INT or TERM comes.
 */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/writer.h"

#define OUTPUT_ROOM ((size_t)64 * 1024)

/* Too large for a stack. */
struct output {
	struct writer out, log;
	struct writer_wait wait; /* for the report; ended_by: the signal that ended the run */
	bool is_quiet;           /* print no lines */
	bool has_timestamps;     /* before each line, in seconds since the epoch */
	int code; /* why standard output cannot be written (the run must end); 0: it can */
	uint64_t n_left_out; /* number of lines left out */
	size_t from, to;     /* range of `lines` that is not written yet */
	char lines[OUTPUT_ROOM];
	FILE *report;
	char *report_bytes;
	size_t report_size;
};

/* Creates writers for standard output and standard error. *ret_output must not be moved. */
void output_open(struct output *ret_output, bool is_quiet, bool has_timestamps);

/* Adds a line. The newline is added here. */
void output_line(struct output *output, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Writes as much as standard output accepts now. Returns false if it can no longer be written and
 * the run must end.
 */
bool output_flush(struct output *output);

/*
 * For a loop that waits with poll(2), see writer_pollfd(). After an event, or at the deadline, call
 * output_check(). It returns the same as output_flush().
 */
struct pollfd output_pollfd(const struct output *output);
uint64_t output_deadline_ns(const struct output *output);
bool output_check(struct output *output);

/* Returns true if lines are not written yet. For a loop that retries periodically. */
bool output_is_pending(const struct output *output);

/* ---- the end ---- */

/*
 * Begins the report: *ret_report is a stream into memory. output_end_report() writes it after the
 * remaining lines, or discards it if rc, the code of producing it, is not 0. Returns STATUS_OK or
 * the same as writer_status().
 */
MUST_USE int output_begin_report(struct output *output, FILE **ret_report);
MUST_USE enum exit_status output_end_report(struct output *output, int rc);

/* Closes the writers. There is no report, or it is written. */
void output_close(struct output *output);

#endif
