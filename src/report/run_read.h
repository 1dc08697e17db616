/* SPDX-License-Identifier: MIT */
/*
 * Reads a run from a file: our own JSON (docs/RESULT.md), or what other tools leave behind. Which
 * of them it is, its content says and not its name.
 *
 *	tcpecho	the document of --json; one of before "format" there was as far as it goes
 *	.hlog	the interval log of HdrHistogram, 1.2 or 1.3: every count, in nanoseconds. Lines
 *		without a tag, or with the tag "response", are response times, "service" are
 *		service times; one single tag of another name is taken for response times
 *	.hgrm	its list of percentiles, alone or within what wrk2 prints (-L, -U): between two
 *		lines the values are taken to be that of the second
 *	fortio	its JSON: within a bucket the values are taken to be spread evenly
 *
 * Nobody who wrote such a file is trusted. A file is at most RUN_FILE_MAX bytes and what is made
 * of it has bounds too; one that is damaged, contradicts itself or is something else is refused by
 * a sentence, and nothing of it is kept.
 */
#ifndef REPORT_RUN_READ_H
#define REPORT_RUN_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "report/run.h"

#define RUN_FILE_MIB ((size_t)256)
#define RUN_FILE_MAX (RUN_FILE_MIB * 1024 * 1024)

/* A sentence: what is wrong with a file, without its name. */
struct run_refusal {
	char text[320];
};

/*
 * Reads what n bytes say, behind which is a NUL. list_unit_ns: the unit of the values of an .hgrm,
 * which does not say it. *ret_run is the caller's, to be closed, and has no name. Returns 0,
 * -ENOMEM, or -EBADMSG: it is refused, *reterr_why says why.
 */
MUST_USE int run_read(const char *bytes, size_t n, uint64_t list_unit_ns, struct run *ret_run,
		      struct run_refusal *reterr_why);

/*
 * Reads a file, or standard input for "-"; the run has its name. Returns as run_read() does, and
 * with a sentence as well -errno or -EFBIG for one that cannot be read.
 */
MUST_USE int run_read_file(const char *path, uint64_t list_unit_ns, struct run *ret_run,
			   struct run_refusal *reterr_why);

#endif
