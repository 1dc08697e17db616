/* SPDX-License-Identifier: MIT */
/*
 * Histograms as text: the interval log of HdrHistogram (.hlog, version 1.3), which its tools draw,
 * merge and compare, and the one string of it that stands for a whole histogram.
 *
 *	#[Logged with tcpecho 0.1.0]
 *	#[Histogram log format version 1.3]
 *	#[StartTime: 1767225600.000 (seconds since epoch), Thu Jan 01 00:00:00 UTC 2026]
 *	"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
 *	Tag=response,0.000,1.000,2.769,HISTFAAAAEV42pNpmSzMwMDAxAABzFCaEUoz...
 *
 * The string is Base64 of HdrHistogram's compressed encoding V2: a header, and every count up to
 * the last that is not zero, in as few bytes as it needs, inside zlib. No count is lost. What it
 * does not hold is where within their buckets the smallest and the largest are, the sum, and how
 * many were above an hour: who needs them writes them beside it.
 *
 * Nothing is written to anybody: text is made here, and the caller has it until the next text is
 * made. All memory is taken by hlog_open().
 */
#ifndef REPORT_HLOG_H
#define REPORT_HLOG_H

#include <stdint.h>

#include "base/compiler.h"
#include "stats/histogram.h"

struct hlog; /* its own affair: report/hlog.c */

/* *ret_hlog is the caller's, to be closed. Returns 0 or -ENOMEM. */
MUST_USE int hlog_open(struct hlog **ret_hlog);

/* The same for who has no time: packs in less than half of it, to strings a tenth longer. */
MUST_USE int hlog_open_quick(struct hlog **ret_hlog);

/* Frees it; NULL is closed already. */
void hlog_close(struct hlog *hlog);

/* ---- a log ---- */

/* The lines that a log begins with; start_ns is when, in nanoseconds since the epoch, in UTC. */
const char *hlog_head(struct hlog *hlog, uint64_t start_ns);

/* The longest tag. */
#define HLOG_TAG_MAX 63

struct hlog_interval {
	const char *tag;    /* what was measured, for a log of several; NULL: nothing is said */
	uint64_t start_ns;  /* since the start of the log */
	uint64_t length_ns; /* from there on */
};

/*
 * The line of an interval: times in seconds, the largest value in milliseconds, both rounded to
 * three decimals, and the histogram. A tag is at most HLOG_TAG_MAX characters from '!' to '~',
 * without a comma.
 */
const char *hlog_line(struct hlog *hlog, const struct hlog_interval *interval,
		      const struct histogram *histogram);

/* ---- a histogram ---- */

/* The string alone: characters of Base64 and nothing else. */
const char *hlog_encode(struct hlog *hlog, const struct histogram *histogram);

/*
 * Adds what a string holds to a histogram: the counts exactly, the smallest, the largest and the
 * sum as histogram_record_bucket() does. Whoever made the string is not trusted. Read is what was
 * written by hlog_encode() or, with three digits from 1 on, by any HdrHistogram: its buckets are
 * the same.
 *
 * Returns 0, or with nothing added: ERR_HLOG_DAMAGED, not what it says it is; ERR_HLOG_FOREIGN, an
 * encoding or buckets other than these; ERR_OUT_OF_RANGE, values above an hour or too many of them.
 */
MUST_USE int hlog_decode(struct hlog *hlog, const char *string, struct histogram *into);

/* ---- a histogram of a series (stats/time_series.h): NULL of an empty one ---- */

/* *ret_packed is its string, the caller's, to be freed. Empties it. Returns 0 or -ENOMEM. */
MUST_USE int hlog_pack(struct hlog *hlog, struct histogram *histogram, char **ret_packed);

/* Adds what is packed. Returns as hlog_decode() does. */
MUST_USE int hlog_unpack(struct hlog *hlog, const char *packed, struct histogram *into);

#endif
