/* SPDX-License-Identifier: MIT */
/*
 * A run as files for others: as one JSON document (RFC 8259), of which docs/RESULT.md says what
 * each field is, and docs/result.schema.json what it has to be; and as a log of HdrHistogram.
 */
#ifndef REPORT_RUN_WRITE_H
#define REPORT_RUN_WRITE_H

#include <stdio.h>

#include "base/compiler.h"
#include "report/run.h"

/* Of the document; a reader refuses what is newer. */
#define RUN_DOCUMENT_FORMAT 1

/*
 * Writes the document, with every count of its histograms, of which a reader can make any figure
 * again. Of what is not known stands null. All texts of the run are UTF-8. Errors of writing stay
 * with `out`, for its owner (ferror(3)). Returns 0 or -ENOMEM.
 */
MUST_USE int run_write_json(FILE *out, const struct run *run);

/*
 * Writes HdrHistogram's log of the run: for each interval a line of the response times and one of
 * the service times, which their tags tell apart. Its largest value is its bucket's, as in other
 * programs' logs. Errors of writing stay with `out`. Returns 0, -ENOMEM, or what hlog_decode() says
 * of a series that was read.
 */
MUST_USE int run_write_hlog(FILE *out, const struct run *run);

#endif
