/* SPDX-License-Identifier: MIT */
/*
 * Two sides of a comparison, beside each other.
 */
#ifndef REPORT_DIFF_H
#define REPORT_DIFF_H

#include <stdio.h>

#include "report/metric.h"

/*
 * Writes a table: each figure that a side knows, the change, and whether it is more than the noise,
 * if there are several runs on each side: no run of one side is within the range of the other.
 * Above it are the caveats of each run, and what was asked of the two sides differently. Times of
 * a side with failures are marked. Errors of writing stay with `out`.
 */
void diff_write_text(FILE *out, const struct sample *before, const struct sample *after);

#endif
