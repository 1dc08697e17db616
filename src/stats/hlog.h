/* SPDX-License-Identifier: MIT */
/*
 * Histograms as text: the interval log of HdrHistogram (.hlog, version 1.3), which its tools draw,
 * merge and compare, and the string in it that holds one whole histogram.
 *
 *	#[Logged with tcpecho 0.1.0]
 *	#[Histogram log format version 1.3]
 *	#[StartTime: 1767225600.000 (seconds since epoch), Thu Jan 01 00:00:00 UTC 2026]
 *	"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
 *	Tag=response,0.000,1.000,2.769,HISTFAAAAEV42pNpmSzMwMDAxAABzFCaEUoz...
 *
 * The string is Base64 of HdrHistogram's compressed encoding V2: a header, and every count up to
 * the last one that is not zero, in few bytes, compressed with zlib. No count is lost. The string
 * does not contain the exact minimum, maximum and sum, nor the number of values above one hour. A
 * caller that needs them writes them separately.
 *
 * These functions return text and write no file. The text is valid until the next call that makes
 * text. hlog_open() allocates all memory.
 */
#ifndef STATS_HLOG_H
#define STATS_HLOG_H

#include <stdint.h>

#include "base/compiler.h"
#include "stats/histogram.h"

struct hlog; /* opaque: stats/hlog.c */

/* Opens an encoder; the caller must close *ret_hlog. Returns 0 or -ENOMEM. */
MUST_USE int hlog_open(struct hlog **ret_hlog);

/* The same, but faster: packs in less than half the time, into strings 10 % longer. */
MUST_USE int hlog_open_quick(struct hlog **ret_hlog);

/* Frees it. NULL is allowed. */
void hlog_close(struct hlog *hlog);

/* ---- a log ---- */

/* Returns the first lines of a log. start_ns: start of the log in ns since 1970 (UTC). */
const char *hlog_head(struct hlog *hlog, uint64_t start_ns);

/* Maximum length of a tag. */
#define HLOG_TAG_MAX 63

struct hlog_interval {
	const char *tag;   /* name of what was measured, for a log with several; NULL: no tag */
	uint64_t start_ns; /* since the start of the log */
	uint64_t length_ns;
};

/*
 * Returns the line of an interval: times in seconds and the maximum in milliseconds, rounded to
 * three decimals, and the histogram. A tag has at most HLOG_TAG_MAX characters from '!' to '~',
 * without a comma.
 */
const char *hlog_line(struct hlog *hlog, const struct hlog_interval *interval,
		      const struct histogram *histogram);

/* ---- a histogram ---- */

/* Returns the string of a histogram, only Base64 characters. */
const char *hlog_encode(struct hlog *hlog, const struct histogram *histogram);

/*
 * Adds the contents of a string to a histogram: exact counts; minimum, maximum and sum as in
 * histogram_record_bucket(). The string is not trusted. It may come from hlog_encode() or from any
 * HdrHistogram with three digits from 1 on, which has the same buckets.
 *
 * Returns 0. On failure nothing is added: ERR_HLOG_DAMAGED, the contents are invalid;
 * ERR_HLOG_FOREIGN, another encoding or other buckets; ERR_OUT_OF_RANGE, values above one hour or
 * too many values.
 */
MUST_USE int hlog_decode(struct hlog *hlog, const char *string, struct histogram *into);

/* ---- histograms of a series (stats/time_series.h): NULL if empty ---- */

/*
 * Sets *ret_packed to the string of a histogram (the caller frees it) and resets the histogram.
 * Returns 0 or -ENOMEM.
 */
MUST_USE int hlog_pack(struct hlog *hlog, struct histogram *histogram, char **ret_packed);

/* Adds a packed histogram. Returns as hlog_decode(). */
MUST_USE int hlog_unpack(struct hlog *hlog, const char *packed, struct histogram *into);

#endif
