/* SPDX-License-Identifier: MIT */
/*
 * Prints a run as text.
 */
#ifndef REPORT_SUMMARY_H
#define REPORT_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#include "report/run.h"

/* Format of the label that begins a line: the values after it are aligned. */
#define SUMMARY_LABEL "%-13s "

/*
 * Writes the summary of a ping: counts, failures by name, times in us. summary_write_verdict()
 * must follow. Write errors stay in `out` (ferror(3)).
 */
void summary_write_text(FILE *out, const struct run *run);

/*
 * Writes the summary of a load: rates, a table of times with more percentiles, and the machine.
 * summary_write_verdict() must follow.
 */
void summary_write_table(FILE *out, const struct run *run);

/* Writes why the run is not a valid or complete measurement of the server; nothing if it is. */
void summary_write_verdict(FILE *out, const struct run *run);

/* ---- lines that all summaries have ---- */

/* Writes "round trip min/mean/p50/p99/max ..."; nothing if there are no times. */
void summary_write_times(FILE *out, const char *what, const struct histogram *times,
			 uint64_t deviation_ns);

/* Writes ", 2 unfinished (...)"; nothing if the count is 0. */
void summary_write_unfinished(FILE *out, uint64_t n_unfinished);

/* Writes that the times are lower bounds, if a message is unfinished. */
void summary_write_bounds(FILE *out, uint64_t n_unfinished);

/* Writes "every byte of 640 compared", or that no byte was right. */
void summary_write_verified(FILE *out, uint64_t n_bytes);

/* Writes the number of wrong bytes; nothing if it is 0. */
void summary_write_wrong(FILE *out, uint64_t n_bytes, uint64_t n_connections);

#endif
