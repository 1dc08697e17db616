/* SPDX-License-Identifier: MIT */
/*
 * `report html`: draws runs as one page.
 */
#ifndef CLI_REPORT_HTML_H
#define CLI_REPORT_HTML_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"

/*
 * Draws n files as a page and writes it to `output` (file_draft(), net/file.h). Any status except
 * STATUS_OK is already reported.
 */
MUST_USE enum exit_status report_html(char *const *paths, size_t n, uint64_t list_unit_ns,
				      const char *output);

#endif
