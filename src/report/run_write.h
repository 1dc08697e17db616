/* SPDX-License-Identifier: MIT */
/*
 * Writes a run as a JSON document (RFC 8259; docs/RESULT.md explains each field,
 * docs/result.schema.json is its schema) and as a log of HdrHistogram.
 */
#ifndef REPORT_RUN_WRITE_H
#define REPORT_RUN_WRITE_H

#include <stdio.h>

#include "base/compiler.h"
#include "report/run.h"

/* Version of the document. Readers refuse a newer one. */
#define RUN_DOCUMENT_FORMAT 1

/*
 * Writes the document with all counts of the histograms, so that a reader can compute any
 * percentile. Unknown values are null. All texts of the run must be UTF-8. Write errors stay in
 * `out` (ferror(3)). Returns 0 or -ENOMEM.
 */
MUST_USE int run_write_json(FILE *out, const struct run *run);

/*
 * Writes the run as a log of HdrHistogram: per interval one line of response times and one of
 * service times, distinguished by their tags. The maximum is the end of the bucket, as in the logs
 * of other programs. Write errors stay in `out`. Returns 0, -ENOMEM, or an error of hlog_decode()
 * for a series that was read from a file.
 */
MUST_USE int run_write_hlog(FILE *out, const struct run *run);

#endif
