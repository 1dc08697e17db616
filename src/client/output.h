/* SPDX-License-Identifier: MIT */
/*
 * What a client that measures writes to standard output: lines about what happens, as it happens,
 * and a report at the end.
 *
 * Lines never wait for their reader, or what is measured would not be true. While standard output
 * takes nothing, OUTPUT_ROOM bytes of lines are kept; further lines are left out, and their number
 * is written in their place. The report waits: until it is written, or INT or TERM comes.
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
	struct writer_wait wait; /* of the report; ended_by: the signal that has ended the run */
	bool is_quiet;           /* there are no lines */
	bool has_timestamps;     /* before each line, in seconds since the epoch */
	int code;                /* why standard output cannot be written; the run has to end */
	uint64_t n_left_out;     /* lines */
	size_t from, to;         /* what is not written yet */
	char lines[OUTPUT_ROOM];
	FILE *report;
	char *report_bytes;
	size_t report_size;
};

/* Makes writers of standard output and standard error. *ret_teller must not be moved. */
void output_open(struct output *ret_teller, bool is_quiet, bool has_timestamps);

/* Adds a line; the line end is added. */
void output_line(struct output *output, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Writes as much as is taken now. Returns whether to go on: standard output can still be written.
 */
bool output_flush(struct output *output);

/*
 * For a loop that waits by poll(2), see writer_pollfd(). After an event, or at the deadline,
 * output_check() is to be called, which returns as output_flush() does.
 */
struct pollfd output_pollfd(const struct output *output);
uint64_t output_deadline_ns(const struct output *output);
bool output_check(struct output *output);

/* Are there lines that are not written yet? For a loop that tries it again from time to time. */
bool output_is_behind(const struct output *output);

/* ---- the end ---- */

/*
 * Begins the report: *ret_report is a stream into memory. output_end_report() writes it, behind the
 * lines that are left, or forgets it: rc is the code with which making it failed, or 0. Returns
 * STATUS_OK or as writer_status().
 */
MUST_USE int output_begin_report(struct output *output, FILE **ret_report);
MUST_USE enum exit_status output_end_report(struct output *output, int rc);

/* Ends the writers; there is no report, or it is written. */
void output_close(struct output *output);

#endif
