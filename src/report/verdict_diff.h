/* SPDX-License-Identifier: MIT */
/*
 * Compares two results of `check`: which verdicts became worse since a baseline, and which better?
 */
#ifndef REPORT_VERDICT_DIFF_H
#define REPORT_VERDICT_DIFF_H

#include <stdio.h>

#include "base/compiler.h"
#include "report/run.h"

/*
 * Writes a line for each check whose verdict is not the same, and a sentence of counts; or the same
 * as JSON. Both runs have the format RUN_CHECK. *ret_n_worse: checks that are worse now: PASS is
 * better than WARN, WARN than FAIL; TODO counts as PASS; a check that was skipped or is not there
 * is neither. Returns 0 or -ENOMEM.
 */
MUST_USE int verdict_diff_write(FILE *out, bool is_json, const struct run *old,
				const struct run *new, size_t *ret_n_worse);

#endif
