/* SPDX-License-Identifier: MIT */
/*
 * Shared by the readers of report/run_read.h: their state, how they refuse a file, JSON fields,
 * times.
 *
 * A reader returns 0, -ENOMEM, or the result of reader_refuse(). The run is already open, and its
 * owner closes it, also after a failure.
 */
#ifndef REPORT_READER_H
#define REPORT_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/hlog.h"
#include "report/run.h"
#include "report/run_read.h"

/* A hundred years, in seconds and in ns: no measurement is longer. */
#define READER_SECONDS_MAX 3153600000.0
#define READER_NS_MAX      UINT64_C(3153600000000000000)

/* Numbers in a document have twelve digits: the relative rounding error is at most 0.5 / this. */
#define READER_PRECISION UINT64_C(100000000000)

/* Maximum number of intervals in a series. */
#define READER_INTERVALS_MAX 100000

struct reader {
	const char *bytes; /* followed by a NUL */
	size_t n;
	uint64_t list_unit_ns;
	struct hlog *hlog;
	struct histogram scratch;
	struct run *run; /* the run to fill */
	struct run_refusal *why;
};

/* Records why the file is refused. Returns -EBADMSG. */
MUST_USE int reader_refuse(struct reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- the readers, one per file ---- */

MUST_USE int read_tcpecho(struct reader *reader, const json_t *json);
MUST_USE int read_check(struct reader *reader, const json_t *json);
MUST_USE int read_fortio(struct reader *reader, const json_t *json);
MUST_USE int read_hlog(struct reader *reader);
MUST_USE int read_hgrm(struct reader *reader);

/*
 * Reads the facts of our own document: what ran, where, when, and the runs of a sum (read_facts.c).
 */
MUST_USE int read_tcpecho_facts(struct reader *reader, const json_t *json);

/* ---- fields of a JSON object ---- */

/* How to handle a field that is missing or null. */
enum reader_need {
	READER_OPTIONAL, /* keep the value */
	READER_REQUIRED, /* refuse the file */
};

/*
 * Read a field: an integer from 0 to INT64_MAX, a number of at least 0, a string, true or false. A
 * field of another type is refused, with its name. The caller frees a string.
 */
MUST_USE int reader_count(struct reader *reader, const json_t *json, const char *name,
			  enum reader_need need, uint64_t *ret_count);
MUST_USE int reader_number(struct reader *reader, const json_t *json, const char *name,
			   enum reader_need need, double *ret_number);
MUST_USE int reader_text(struct reader *reader, const json_t *json, const char *name,
			 enum reader_need need, char **ret_text);
MUST_USE int reader_flag(struct reader *reader, const json_t *json, const char *name,
			 enum reader_need need, bool *ret_flag);

/* Reads a number of seconds, at most a hundred years. */
MUST_USE int reader_seconds(struct reader *reader, const json_t *json, const char *name,
			    enum reader_need need, uint64_t *ret_ns);

/* ---- times ---- */

/* Converts microseconds, as in a document, to ns; at most a hundred years. */
uint64_t reader_ns_of_us(double us);

/*
 * Parses a time, "2026-11-26T04:36:17.123456Z", or with "+01:00" in place of Z (RFC 3339), into ns
 * since 1970. Returns false if it is invalid or before 1970.
 */
MUST_USE bool reader_timestamp(const char *text, uint64_t *ret_ns);

/*
 * Parses a number without sign and exponent, "12.345", times a unit, rounded to the nearest ns, and
 * moves *at past it. Returns false if it is invalid or more than a hundred years.
 */
MUST_USE bool reader_decimal(const char **at, uint64_t unit_ns, uint64_t *ret_ns);

/*
 * Sets the exact minimum, maximum and mean of a histogram of which only the counts are known. They
 * were rounded when written, so a value that is outside its bucket by no more than the rounding is
 * moved into it. Returns false if they contradict the counts.
 */
MUST_USE bool reader_set_min_mean_max(struct histogram *histogram, uint64_t min_ns,
				      uint64_t mean_ns, uint64_t max_ns);

/*
 * Stores a copy of a text of the file and frees the previous one. The text will be displayed, so
 * terminal control characters and invalid UTF-8 are escaped (base/escape.h). Returns 0 or -ENOMEM.
 */
MUST_USE int reader_keep_text(char **text, const char *from, size_t n);

#endif
