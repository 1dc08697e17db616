/* SPDX-License-Identifier: MIT */
/*
 * The files given to `report`.
 */
#ifndef CLI_REPORT_FILES_H
#define CLI_REPORT_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "report/run.h"

/* Maximum number of files per command line. */
#define REPORT_FILES_MAX 1000

struct report_files {
	struct run *runs;
	size_t n;
};

/*
 * Reads n files, at least one; list_unit_ns as for run_read(). The caller must close *ret_files.
 * Any status except STATUS_OK is already reported, and then nothing is left open.
 */
MUST_USE enum exit_status report_files_read(char *const *paths, size_t n, uint64_t list_unit_ns,
					    struct report_files *ret_files);
void report_files_close(struct report_files *files);

#endif
