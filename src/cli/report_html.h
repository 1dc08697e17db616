/* SPDX-License-Identifier: MIT */
/*
 * `report html`: runs as one page.
 */
#ifndef CLI_REPORT_HTML_H
#define CLI_REPORT_HTML_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"

/*
 * Draws n files as a page at `output`, as file_draft() makes files (net/file.h). Anything but
 * STATUS_OK was said.
 */
MUST_USE enum exit_status report_html(char *const *paths, size_t n, uint64_t list_unit_ns,
				      const char *output);

#endif
