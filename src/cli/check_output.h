/* SPDX-License-Identifier: MIT */
/*
 * Where the verdicts of `check` go: lines on standard output while checks end, a document at the
 * end, and the line of progress on a terminal.
 */
#ifndef CLI_CHECK_OUTPUT_H
#define CLI_CHECK_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/file.h"
#include "net/writer.h"
#include "report/verdict_report.h"

struct check_output {
	const struct verdict_run *run;
	struct writer out, log;
	struct writer_wait wait;
	const char *path; /* of the document; "-" is standard output */
	/* A text or TAP as a document is written line by line as well. */
	bool has_lines, has_document;
	enum verdict_format line_format, document_format;
	struct file_draft document;
	size_t n_written;
	bool is_progress_shown;
	int code; /* why standard output cannot be written; 0: it can */
};

/*
 * Begins. path: of the document, NULL: none was asked for, and everything goes to standard output.
 * run must outlive the output and is read at each step; signals_fd: signals_setup_meter(). Returns
 * STATUS_OK; or the status of an error, which is printed, and nothing is left open.
 */
MUST_USE enum exit_status check_output_open(struct check_output *ret_output,
					    const struct verdict_run *run,
					    enum verdict_format format, const char *path,
					    int signals_fd);

/* Writes the next result. Returns false if standard output cannot be written: the run must end. */
bool check_output_result(struct check_output *output, const struct check_result *result);

/* Shows how far the run is, on a terminal: "7 of 32 checks ended, half-close-late is running". */
void check_output_progress(struct check_output *output, size_t n_ended, const char *running);

/* Writes the rest, and closes. Returns STATUS_OK or the status of an error, which is printed. */
MUST_USE enum exit_status check_output_close(struct check_output *output);

#endif
