/* SPDX-License-Identifier: MIT */
/*
 * A run that was read, for people: as it was printed when it ran, and its facts.
 */
#ifndef REPORT_SHOW_H
#define REPORT_SHOW_H

#include <stdio.h>

#include "report/run.h"

/* "fortio", "HdrHistogram (log)": what the run is from. Static storage. */
const char *show_format_name(enum run_format format);

/* Writes it; of another tool's, what is known. Errors of writing stay with `out`. */
void show_write_text(FILE *out, const struct run *run);

#endif
