/* SPDX-License-Identifier: MIT */
/*
 * What the readers of report/run_read.h share: what they read from and fill, how they refuse, the
 * fields of a JSON document, times.
 *
 * A reader returns 0, -ENOMEM, or what json_refuse() gave it. The run is an open one, and is
 * closed by whoever opened it, however far the reader came.
 */
#ifndef REPORT_JSON_FIELDS_H
#define REPORT_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "report/hlog.h"
#include "report/run.h"
#include "report/run_read.h"

/* A hundred years, in seconds and in nanoseconds: longer is no time of a measurement. */
#define JSON_SECONDS_MAX 3153600000.0
#define JSON_NS_MAX      UINT64_C(3153600000000000000)

/* A number in a document has twelve digits: it is off by half of this part of itself at most. */
#define JSON_DIGITS_PART UINT64_C(100000000000)

/* Intervals of a series at most. */
#define JSON_INTERVALS_MAX 100000

struct json_reader {
	const char *bytes; /* a NUL behind them */
	size_t n;
	uint64_t list_unit_ns;
	struct hlog *hlog;
	struct histogram scratch;
	struct run *run; /* which is filled */
	struct run_refusal *why;
};

/* Says why it is refused; returns -EBADMSG. */
MUST_USE int json_refuse(struct json_reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- the readers, one a file ---- */

MUST_USE int json_tcpecho(struct json_reader *reader, const json_t *json);
MUST_USE int json_fortio(struct json_reader *reader, const json_t *json);
MUST_USE int json_hlog(struct json_reader *reader);
MUST_USE int json_hgrm(struct json_reader *reader);

/* Of our own document: what was run, where and when, and the runs of a sum (read_facts.c). */
MUST_USE int json_facts(struct json_reader *reader, const json_t *json);

/* ---- fields of a JSON object ---- */

/* What a field that is not there, or null, is. */
enum json_need {
	JSON_MAY,  /* left as it is */
	JSON_MUST, /* refused */
};

/*
 * Read a field: a whole number from 0 to INT64_MAX, a number from 0 on, a text, true or false. What
 * is of another kind is refused by its name. A text is copied: the caller's, to be freed.
 */
MUST_USE int json_count(struct json_reader *reader, const json_t *json, const char *name,
			enum json_need need, uint64_t *ret_count);
MUST_USE int json_number(struct json_reader *reader, const json_t *json, const char *name,
			 enum json_need need, double *ret_number);
MUST_USE int json_text(struct json_reader *reader, const json_t *json, const char *name,
		       enum json_need need, char **ret_text);
MUST_USE int json_flag(struct json_reader *reader, const json_t *json, const char *name,
		       enum json_need need, bool *ret_flag);

/* A number of seconds, at most a hundred years. */
MUST_USE int json_seconds(struct json_reader *reader, const json_t *json, const char *name,
			  enum json_need need, uint64_t *ret_ns);

/* ---- times ---- */

/* Microseconds, as a document has them, in nanoseconds: a hundred years at most. */
uint64_t json_us(double us);

/*
 * When: "2026-11-26T04:36:17.123456Z", or with "+01:00" for the Z (RFC 3339), as nanoseconds since
 * the epoch. Returns false where it is none, or before the epoch.
 */
MUST_USE bool json_moment(const char *text, uint64_t *ret_ns);

/*
 * A number without sign and exponent, "12.345", times a unit, to the nearest nanosecond. Moves *at
 * behind it. Returns false where there is none, or it is beyond a hundred years.
 */
MUST_USE bool json_decimal(const char **at, uint64_t unit_ns, uint64_t *ret_ns);

/*
 * The exact smallest and largest value, and the mean, of a histogram of which only the counts are
 * known. They were rounded when they were written: what is beside its bucket by no more than that
 * is put into it. Returns false where they contradict the counts.
 */
MUST_USE bool json_ends(struct histogram *histogram, uint64_t least_ns, uint64_t mean_ns,
			uint64_t max_ns);

/*
 * A text of the file, copied, its owner's; an earlier one is freed. It will be shown: what a
 * terminal would obey is escaped, and what is not UTF-8 (base/escape.h). Returns 0 or -ENOMEM.
 */
MUST_USE int json_keep(char **text, const char *from, size_t n);

#endif
