/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands of `report` share: options, and the files that are read and written.
 */
#ifndef CLI_REPORT_FILES_H
#define CLI_REPORT_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "cli/command.h"
#include "report/run.h"

/* Maximum number of files per command line. */
#define REPORT_FILES_MAX 1000

/* Exit statuses of the subcommands that judge nothing: all except diff. */
extern const struct exit_status_row report_statuses[];

/* Words of --unit, and the unit of the i-th word in nanoseconds. */
const char *report_unit_name(size_t i);
uint64_t report_unit_ns(size_t i);

#define REPORT_UNIT_ROW                                                                       \
	{                                                                                     \
		.name = "unit", .kind = OPTION_CHOICE, .value_name = "UNIT", .preset = "ms",  \
		.help = "unit of a percentile list (.hgrm)",                                  \
		.details = "The unit of the values in a percentile list, as from wrk2 or in " \
			   "an .hgrm file: ms, us, ns or s. The list does not contain it.",   \
		.choice = report_unit_name,                                                   \
	}

/* Man page text on an output file. */
#define REPORT_OUTPUT_DETAILS                                                                    \
	"The result replaces FILE when it is complete; owner, group and mode are kept. If FILE " \
	"cannot be replaced (a mounted file, a directory without write permission, a link), it " \
	"is overwritten if there is room for the result. - and /dev/stdout are standard "        \
	"output, /dev/fd/N is descriptor N."

struct report_files {
	struct run *runs;
	size_t n;
};

/*
 * Checks the operands of a subcommand: at least one file, and none is the output too. output: "-":
 * standard output. Returns STATUS_OK or STATUS_USAGE, with a message.
 */
MUST_USE enum exit_status report_files_check(const char *command, const struct arguments *arguments,
					     const char *output);

/*
 * Reads n files, at least one; list_unit_ns as for run_read(). The caller must close *ret_files.
 * Any status except STATUS_OK is already reported, and then nothing is left open.
 */
MUST_USE enum exit_status report_files_read(char *const *paths, size_t n, uint64_t list_unit_ns,
					    struct report_files *ret_files);
/* The same for a command that needs times: the verdicts of `check` are refused, with a message. */
MUST_USE enum exit_status report_files_read_runs(char *const *paths, size_t n,
						 uint64_t list_unit_ns,
						 struct report_files *ret_files);
void report_files_close(struct report_files *files);

/* Writes a run as JSON to a file; "-" is standard output. Any failure is reported. */
MUST_USE enum exit_status report_write_run(const char *path, const struct run *run);

#endif
