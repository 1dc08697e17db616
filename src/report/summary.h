/* SPDX-License-Identifier: MIT */
/*
 * A run in words.
 */
#ifndef REPORT_SUMMARY_H
#define REPORT_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#include "report/run.h"

/*
 * Writes the lines of a summary: counts, failures by name, times in microseconds. Errors of writing
 * stay with `out`, for its owner (ferror(3)).
 */
void summary_write_text(FILE *out, const struct run *run);

/*
 * The same of a load: rates, a table of times with more percentiles, and a line of where it was.
 */
void summary_write_table(FILE *out, const struct run *run);

/* ---- lines that every summary has ---- */

/* Writes "round trip min/mean/p50/p99/max ..."; nothing if there are no times. */
void summary_write_times(FILE *out, const char *what, const struct histogram *times,
			 uint64_t deviation_ns);

/* Writes ", 2 unfinished (...)"; nothing if there are none. */
void summary_write_unfinished(FILE *out, uint64_t n_unfinished);

/* Writes that the times are lower bounds; nothing if no message is unfinished. */
void summary_write_bounds(FILE *out, uint64_t n_unfinished);

/* Writes "every byte of 640 compared", or that no byte was right. */
void summary_write_verified(FILE *out, uint64_t n_bytes);

/* Writes the line of wrong bytes; nothing if there are none. */
void summary_write_wrong(FILE *out, uint64_t n_bytes, uint64_t n_connections);

#endif
