/* SPDX-License-Identifier: MIT */
/*
 * The verdicts of `check`, as text for people, TAP 14, JUnit XML or JSON.
 *
 * Text and TAP are written while checks end: a head, a part for each result, an end. JUnit and JSON
 * are one document, which the end writes. The texts of results are printable
 * (verdict_make_printable()), and the writers escape what their format needs.
 */
#ifndef REPORT_VERDICT_REPORT_H
#define REPORT_VERDICT_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "stats/verdict.h"

enum verdict_format { VERDICT_TEXT, VERDICT_TAP, VERDICT_JUNIT, VERDICT_JSON, VERDICT_FORMATS };

/* Returns the i-th format as a word: "text", "tap" and so on; NULL after the last. */
const char *verdict_format_name(size_t i);

/* What was checked. */
struct verdict_run {
	const char *target;  /* as on the command line: "localhost port 9877" */
	const char *address; /* that was connected to */
	uint64_t seed;
	uint64_t started_ns;         /* ns since 1970 */
	uint64_t connect_ns, rtt_ns; /* of the path; 0: unknown */
	size_t n_selected;           /* checks that were to run */
	bool is_interrupted;
	bool has_colour;                    /* for text on a terminal */
	const struct check_result *results; /* those that ended, in order; only for the end */
	size_t n;
};

void verdict_write_head(FILE *out, enum verdict_format format, const struct verdict_run *run);

/* number: of the result, from 1. */
void verdict_write_result(FILE *out, enum verdict_format format, const struct verdict_run *run,
			  const struct check_result *result, size_t number);

/* Returns 0 or -ENOMEM. Errors of `out` are left to the caller (ferror(3)). */
MUST_USE int verdict_write_end(FILE *out, enum verdict_format format,
			       const struct verdict_run *run);

#endif
