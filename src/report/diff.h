/* SPDX-License-Identifier: MIT */
/*
 * Compares two sides of runs.
 */
#ifndef REPORT_DIFF_H
#define REPORT_DIFF_H

#include <stdio.h>

#include "report/metric.h"

/*
 * Writes a table with each metric that a side knows, its change, and whether it differs beyond the
 * noise. "Beyond the noise" needs several runs per side: no run of one side is within the range of
 * the other. Above the table are the caveats of each run and the parameters that differ. Times of a
 * side with failures are marked. Write errors stay in `out`.
 */
void diff_write_text(FILE *out, const struct sample *before, const struct sample *after);

#endif
