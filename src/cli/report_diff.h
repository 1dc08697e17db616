/* SPDX-License-Identifier: MIT */
/*
 * `report diff`: two runs, or several of two kinds, compared and judged.
 */
#ifndef CLI_REPORT_DIFF_H
#define CLI_REPORT_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"

/*
 * OLD NEW or OLD... vs NEW...: n paths. fail_if: n_fail_if texts, each with one expectation or
 * several with commas between them. Anything but STATUS_OK was said; STATUS_ECHO_FAILED: not all
 * expectations hold.
 */
MUST_USE enum exit_status report_diff(char *const *paths, size_t n, uint64_t list_unit_ns,
				      const char *const *fail_if, size_t n_fail_if);

#endif
