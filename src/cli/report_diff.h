/* SPDX-License-Identifier: MIT */
/*
 * `report diff`: compares two runs, or several of two kinds, and judges thresholds.
 */
#ifndef CLI_REPORT_DIFF_H
#define CLI_REPORT_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"

/*
 * Compares OLD NEW or OLD... vs NEW...: n paths. fail_if: n_fail_if texts, each with one or more
 * thresholds, separated by commas. Returns STATUS_OK, STATUS_ECHO_FAILED if a threshold fails, or
 * another status; all failures are reported.
 */
MUST_USE enum exit_status report_diff(char *const *paths, size_t n, uint64_t list_unit_ns,
				      const char *const *fail_if, size_t n_fail_if);

#endif
