/* SPDX-License-Identifier: MIT */
/*
 * Shows a run that was read from a file: as it was printed when it ran, and its facts.
 */
#ifndef REPORT_SHOW_H
#define REPORT_SHOW_H

#include <stdio.h>

#include "base/compiler.h"
#include "report/run.h"
#include "report/verdict_report.h"

/* Returns the name of a format: "fortio", "HdrHistogram (log)". Static storage. */
const char *show_format_name(enum run_format format);

/* Writes the run; for other tools, what is known. Write errors stay in `out`. */
void show_write_text(FILE *out, const struct run *run);

/* Writes the verdicts of a run of RUN_CHECK as `check` does. Returns 0 or -ENOMEM. */
MUST_USE int show_write_verdicts(FILE *out, const struct run *run, enum verdict_format format);

#endif
