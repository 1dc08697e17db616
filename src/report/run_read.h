/* SPDX-License-Identifier: MIT */
/*
 * Reads a run from a file: our own JSON (docs/RESULT.md), or a file of another tool. The format is
 * detected from the content, not from the name.
 *
 *	tcpecho	the document of --json; documents older than the field "format", as far as possible
 *	check	the document of `check --json`: verdicts
 *	.hlog	the interval log of HdrHistogram, 1.2 or 1.3: every count, in ns. Lines without a
 *		tag or with the tag "response" are response times, "service" are service times; a
 *		single tag with another name is taken as response times
 *	.hgrm	its percentile list, alone or in the output of wrk2 (-L, -U): all values between
 *		two lines are taken as the value of the second
 *	fortio	its JSON: the values within a bucket are taken as evenly spread
 *
 * The files are not trusted. A file has at most RUN_FILE_MAX bytes, and the memory for it is
 * limited too. A file that is damaged, contradicts itself or has another format is refused with a
 * sentence, and nothing is kept.
 */
#ifndef REPORT_RUN_READ_H
#define REPORT_RUN_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "report/run.h"

#define RUN_FILE_MIB ((size_t)256)
#define RUN_FILE_MAX (RUN_FILE_MIB * 1024 * 1024)

/* Says what is wrong with a file, without its name. */
struct run_refusal {
	char text[320];
};

/*
 * Parses n bytes, which are followed by a NUL. list_unit_ns: the unit of an .hgrm file, which does
 * not contain it. The caller must close *ret_run, which has no name. Returns 0, -ENOMEM, or
 * -EBADMSG: refused, with the reason in *reterr_why.
 */
MUST_USE int run_read(const char *bytes, size_t n, uint64_t list_unit_ns, struct run *ret_run,
		      struct run_refusal *reterr_why);

/*
 * Reads a file, or standard input for "-", and sets the name of the run. Returns as run_read(), or
 * -errno or -EFBIG with a sentence if the file cannot be read.
 */
MUST_USE int run_read_file(const char *path, uint64_t list_unit_ns, struct run *ret_run,
			   struct run_refusal *reterr_why);

#endif
