/* SPDX-License-Identifier: MIT */
/*
 * A run in words.
 */
#ifndef REPORT_SUMMARY_H
#define REPORT_SUMMARY_H

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

#endif
