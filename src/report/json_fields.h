/* SPDX-License-Identifier: MIT */
/*
 * Shared by the readers of report/run_read.h: their state, how they refuse a file, JSON fields,
 * times.
 *
 * A reader returns 0, -ENOMEM, or the result of json_refuse(). The run is already open, and its
 * owner closes it, also after a failure.
 */
#ifndef REPORT_JSON_FIELDS_H
#define REPORT_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/hlog.h"
#include "report/run.h"
#include "report/run_read.h"

/* A hundred years, in seconds and in ns: no measurement is longer. */
#define JSON_SECONDS_MAX 3153600000.0
#define JSON_NS_MAX      UINT64_C(3153600000000000000)

/* Numbers in a document have twelve digits: the relative rounding error is at most 0.5 / this. */
#define JSON_DIGITS_PART UINT64_C(100000000000)

/* Maximum number of intervals in a series. */
#define JSON_INTERVALS_MAX 100000

struct json_reader {
	const char *bytes; /* followed by a NUL */
	size_t n;
	uint64_t list_unit_ns;
	struct hlog *hlog;
	struct histogram scratch;
	struct run *run; /* the run to fill */
	struct run_refusal *why;
};

/* Records why the file is refused. Returns -EBADMSG. */
MUST_USE int json_refuse(struct json_reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- the readers, one per file ---- */

MUST_USE int json_tcpecho(struct json_reader *reader, const json_t *json);
MUST_USE int json_fortio(struct json_reader *reader, const json_t *json);
MUST_USE int json_hlog(struct json_reader *reader);
MUST_USE int json_hgrm(struct json_reader *reader);

/*
 * Reads the facts of our own document: what ran, where, when, and the runs of a sum (read_facts.c).
 */
MUST_USE int json_facts(struct json_reader *reader, const json_t *json);

/* ---- fields of a JSON object ---- */

/* How to handle a field that is missing or null. */
enum json_need {
	JSON_MAY,  /* keep the value */
	JSON_MUST, /* refuse the file */
};

/*
 * Read a field: an integer from 0 to INT64_MAX, a number of at least 0, a string, true or false. A
 * field of another type is refused, with its name. The caller frees a string.
 */
MUST_USE int json_count(struct json_reader *reader, const json_t *json, const char *name,
			enum json_need need, uint64_t *ret_count);
MUST_USE int json_number(struct json_reader *reader, const json_t *json, const char *name,
			 enum json_need need, double *ret_number);
MUST_USE int json_text(struct json_reader *reader, const json_t *json, const char *name,
		       enum json_need need, char **ret_text);
MUST_USE int json_flag(struct json_reader *reader, const json_t *json, const char *name,
		       enum json_need need, bool *ret_flag);

/* Reads a number of seconds, at most a hundred years. */
MUST_USE int json_seconds(struct json_reader *reader, const json_t *json, const char *name,
			  enum json_need need, uint64_t *ret_ns);

/* ---- times ---- */

/* Converts microseconds, as in a document, to ns; at most a hundred years. */
uint64_t json_us(double us);

/*
 * Parses a time, "2026-11-26T04:36:17.123456Z", or with "+01:00" in place of Z (RFC 3339), into ns
 * since 1970. Returns false if it is invalid or before 1970.
 */
MUST_USE bool json_moment(const char *text, uint64_t *ret_ns);

/*
 * Parses a number without sign and exponent, "12.345", times a unit, rounded to the nearest ns, and
 * moves *at past it. Returns false if it is invalid or more than a hundred years.
 */
MUST_USE bool json_decimal(const char **at, uint64_t unit_ns, uint64_t *ret_ns);

/*
 * Sets the exact minimum, maximum and mean of a histogram of which only the counts are known. They
 * were rounded when written, so a value that is outside its bucket by no more than the rounding is
 * moved into it. Returns false if they contradict the counts.
 */
MUST_USE bool json_ends(struct histogram *histogram, uint64_t least_ns, uint64_t mean_ns,
			uint64_t max_ns);

/*
 * Stores a copy of a text of the file and frees the previous one. The text will be displayed, so
 * terminal control characters and invalid UTF-8 are escaped (base/escape.h). Returns 0 or -ENOMEM.
 */
MUST_USE int json_keep(char **text, const char *from, size_t n);

#endif
