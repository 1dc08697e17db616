/* SPDX-License-Identifier: MIT */
/*
 * The encoding, from the inside out. All numbers except the counts are big-endian.
 *
 *	counts    for each bucket its count, or for several empty buckets in a row minus their
 *	          number: ZigZag (0, -1, 1, -2, ... are 0, 1, 2, 3, ...), seven bits per byte,
 *	          lowest first; bit 7 means that more follow; a ninth byte has all eight bits
 *	payload   cookie 0x1c849313, size of the counts, normalizing offset, significant digits,
 *	          32 bits each; lowest value, highest value, conversion ratio (a double), 64 bits
 *	          each; the counts
 *	packed    cookie 0x1c849314, size of the rest, 32 bits each; the payload, compressed by zlib
 *	string    that in Base64, so that each string begins with "HISTF"
 *
 * The same as encodeIntoCompressedByteBuffer() in AbstractHistogram.java of HdrHistogram 2.1.
 */
#include "stats/hlog.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <resolv.h> /* b64_ntop(), b64_pton(): Base64 of glibc; it needs the header above */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "version.h"

#define COOKIE_PAYLOAD UINT32_C(0x1c849313)
#define COOKIE_PACKED  UINT32_C(0x1c849314)

/* Offsets in the header of the payload. */
enum {
	AT_COOKIE = 0,
	AT_SIZE = 4,
	AT_OFFSET = 8,
	AT_DIGITS = 12,
	AT_LOWEST = 16,
	AT_HIGHEST = 24,
	AT_RATIO = 32,
	PAYLOAD_HEAD = 40,
};

#define DIGITS    3
#define LOWEST    1
#define RATIO_ONE UINT64_C(0x3ff0000000000000) /* 1.0 */

#define PACKED_HEAD 8

/* Maximum size of a number in bytes. */
#define NUMBER_MAX 9

#define PAYLOAD_MAX (PAYLOAD_HEAD + HISTOGRAM_BUCKETS * NUMBER_MAX)
/* Incompressible data grows by less than this (compressBound() in zlib.h). */
#define PACKED_MAX (PACKED_HEAD + PAYLOAD_MAX + PAYLOAD_MAX / 1000 + 64)
/* Maximum length of the text before the string: a tag and three numbers, or the head of a log. */
#define BEFORE_MAX 512
#define TEXT_MAX   (BEFORE_MAX + (PACKED_MAX + 2) / 3 * 4 + 2)

struct hlog {
	z_stream deflate, inflate;
	unsigned char payload[PAYLOAD_MAX];
	unsigned char packed[PACKED_MAX];
	char text[TEXT_MAX];
};

/* ---- opening and closing ---- */

/* The values of deflateInit(). Level and strategy depend on the caller. */
#define WINDOW_BITS  15
#define MEMORY_LEVEL 8

MUST_USE static int open_with(int level, int strategy, struct hlog **ret_hlog)
{
	struct hlog *hlog = calloc(1, sizeof(*hlog));
	if (hlog == NULL)
		return -ENOMEM;
	if (deflateInit2(&hlog->deflate, level, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, strategy) !=
	    Z_OK)
		goto free_hlog;
	if (inflateInit(&hlog->inflate) != Z_OK)
		goto end_deflate;
	assert(deflateBound(&hlog->deflate, PAYLOAD_MAX) <= PACKED_MAX - PACKED_HEAD);
	*ret_hlog = hlog;
	return 0;

end_deflate:
	deflateEnd(&hlog->deflate);
free_hlog:
	free(hlog);
	return -ENOMEM; /* with a matching zlib, only memory can be missing */
}

int hlog_open(struct hlog **ret_hlog)
{
	return open_with(Z_DEFAULT_COMPRESSION, Z_DEFAULT_STRATEGY, ret_hlog);
}

int hlog_open_quick(struct hlog **ret_hlog)
{
	return open_with(Z_BEST_SPEED, Z_RLE, ret_hlog);
}

void hlog_close(struct hlog *hlog)
{
	if (hlog == NULL)
		return;
	inflateEnd(&hlog->inflate);
	deflateEnd(&hlog->deflate);
	free(hlog);
}

/* ---- numbers ---- */

static void put_big_endian(unsigned char *at, uint64_t number, size_t n_bytes)
{
	for (size_t i = n_bytes; i-- > 0; number >>= 8)
		at[i] = (unsigned char)number;
}

static uint64_t get_big_endian(const unsigned char *at, size_t n_bytes)
{
	uint64_t number = 0;
	for (size_t i = 0; i < n_bytes; i++)
		number = number << 8 | at[i];
	return number;
}

/* Writes a number. Returns the position after it. */
static unsigned char *put_number(unsigned char *at, int64_t number)
{
	uint64_t rest = (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
	for (int i = 1; i < NUMBER_MAX && rest > 0x7f; i++, rest >>= 7)
		*at++ = (unsigned char)(rest | 0x80);
	*at++ = (unsigned char)rest;
	return at;
}

/*
 * Reads a number and moves *at past it. Returns 0, or ERR_HLOG_DAMAGED if it does not end before
 * `end`.
 */
MUST_USE static int get_number(const unsigned char **at, const unsigned char *end,
			       int64_t *ret_number)
{
	uint64_t all = 0;
	for (unsigned int i = 0; i < NUMBER_MAX && *at < end; i++) {
		unsigned char byte = *(*at)++;
		bool is_last = byte <= 0x7f || i == NUMBER_MAX - 1;
		all |= (uint64_t)(i == NUMBER_MAX - 1 ? byte : byte & 0x7f) << 7 * i;
		if (!is_last)
			continue;
		*ret_number = (int64_t)(all >> 1 ^ (all & 1 ? UINT64_MAX : 0));
		return 0;
	}
	return ERR_HLOG_DAMAGED;
}

/* ---- encoding ---- */

static unsigned char *put_counts(unsigned char *at, const struct histogram *histogram)
{
	if (histogram->n == 0)
		return put_number(at, 0); /* a histogram has at least one bucket */
	size_t place = 0, expected = 0;
	struct histogram_bucket bucket;
	for (; histogram_next(histogram, &place, &bucket); expected = bucket.index + 1) {
		/* A single empty bucket is written as count 0, as other writers do. */
		size_t n_empty = bucket.index - expected;
		if (n_empty > 0)
			at = put_number(at, n_empty == 1 ? 0 : -(int64_t)n_empty);
		at = put_number(at, (int64_t)bucket.n);
	}
	return at;
}

/* Writes the payload and returns its size. */
static size_t put_payload(unsigned char *payload, const struct histogram *histogram)
{
	const unsigned char *end = put_counts(payload + PAYLOAD_HEAD, histogram);
	size_t size = (size_t)(end - payload);
	put_big_endian(payload + AT_COOKIE, COOKIE_PAYLOAD, 4);
	put_big_endian(payload + AT_SIZE, size - PAYLOAD_HEAD, 4);
	put_big_endian(payload + AT_OFFSET, 0, 4);
	put_big_endian(payload + AT_DIGITS, DIGITS, 4);
	put_big_endian(payload + AT_LOWEST, LOWEST, 8);
	put_big_endian(payload + AT_HIGHEST, HISTOGRAM_HIGHEST_NS, 8);
	put_big_endian(payload + AT_RATIO, RATIO_ONE, 8);
	return size;
}

/* Compresses the payload and returns the size of the packed form. */
static size_t pack(struct hlog *hlog, size_t payload_size)
{
	z_stream *stream = &hlog->deflate;
	int rc = deflateReset(stream);
	assert(rc == Z_OK);
	stream->next_in = hlog->payload;
	stream->avail_in = (uInt)payload_size;
	stream->next_out = hlog->packed + PACKED_HEAD;
	stream->avail_out = PACKED_MAX - PACKED_HEAD;
	rc = deflate(stream, Z_FINISH);
	assert(rc == Z_STREAM_END); /* the buffer is large enough: PACKED_MAX */
	put_big_endian(hlog->packed, COOKIE_PACKED, 4);
	put_big_endian(hlog->packed + 4, stream->total_out, 4);
	return PACKED_HEAD + stream->total_out;
}

/* Writes the string at offset `at` of the text, with a NUL. Returns its length. */
static size_t hlog_put_string(struct hlog *hlog, size_t at, const struct histogram *histogram)
{
	size_t size = pack(hlog, put_payload(hlog->payload, histogram));
	int length = b64_ntop(hlog->packed, size, hlog->text + at, sizeof(hlog->text) - at);
	assert(length > 0);
	return (size_t)length;
}

const char *hlog_encode(struct hlog *hlog, const struct histogram *histogram)
{
	hlog_put_string(hlog, 0, histogram);
	return hlog->text;
}

/* ---- a log ---- */

/* A number with three decimals, "1.234". */
struct decimals {
	char text[32];
};

static struct decimals hlog_decimals(uint64_t ns, uint64_t ns_per_unit)
{
	uint64_t ns_per_part = ns_per_unit / 1000;
	uint64_t parts = ns / ns_per_part + (ns % ns_per_part >= ns_per_part / 2);
	struct decimals out;
	snprintf(out.text, sizeof(out.text), "%" PRIu64 ".%03u", parts / 1000,
		 (unsigned int)(parts % 1000));
	return out;
}

const char *hlog_head(struct hlog *hlog, uint64_t start_ns)
{
	/* strftime(3) is not used, because its names depend on the locale. */
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t start = (time_t)(start_ns / CLOCK_NS_PER_S);
	struct tm utc;
	gmtime_r(&start, &utc); /* cannot fail for 64-bit nanoseconds */
	int n = snprintf(hlog->text, BEFORE_MAX,
			 "#[Logged with tcpecho " TCPECHO_VERSION "]\n"
			 "#[Histogram log format version 1.3]\n"
			 "#[StartTime: %s (seconds since epoch), "
			 "%s %s %02d %02d:%02d:%02d UTC %d]\n"
			 "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
			 "\"Interval_Compressed_Histogram\"\n",
			 hlog_decimals(start_ns, CLOCK_NS_PER_S).text, days[utc.tm_wday],
			 months[utc.tm_mon], utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
			 1900 + utc.tm_year);
	assert(n > 0 && n < BEFORE_MAX);
	return hlog->text;
}

static bool is_hlog_tag(const char *tag)
{
	for (const char *at = tag; *at != '\0'; at++) {
		if (*at < '!' || *at > '~' || *at == ',')
			return false;
	}
	return strlen(tag) <= HLOG_TAG_MAX;
}

const char *hlog_line(struct hlog *hlog, const struct hlog_interval *interval,
		      const struct histogram *histogram)
{
	const char *tag = interval->tag != NULL ? interval->tag : "";
	assert(is_hlog_tag(tag));
	int n = snprintf(hlog->text, BEFORE_MAX, "%s%s%s%s,%s,%s,", interval->tag ? "Tag=" : "",
			 tag, interval->tag ? "," : "",
			 hlog_decimals(interval->start_ns, CLOCK_NS_PER_S).text,
			 hlog_decimals(interval->length_ns, CLOCK_NS_PER_S).text,
			 hlog_decimals(histogram->max_ns, CLOCK_NS_PER_MS).text);
	assert(n > 0 && n < BEFORE_MAX);
	size_t end = (size_t)n + hlog_put_string(hlog, (size_t)n, histogram);
	memcpy(hlog->text + end, "\n", sizeof("\n"));
	return hlog->text;
}

/* ---- decoding: the string is not trusted ---- */

/* Decompresses `size` packed bytes. Sets *ret_payload_size. */
MUST_USE static int hlog_unpack_counts(struct hlog *hlog, size_t size, size_t *ret_payload_size)
{
	if (size < PACKED_HEAD)
		return ERR_HLOG_DAMAGED;
	if (get_big_endian(hlog->packed, 4) != COOKIE_PACKED)
		return ERR_HLOG_FOREIGN;
	if (get_big_endian(hlog->packed + 4, 4) != size - PACKED_HEAD)
		return ERR_HLOG_DAMAGED;

	z_stream *stream = &hlog->inflate;
	int rc = inflateReset(stream);
	assert(rc == Z_OK);
	stream->next_in = hlog->packed + PACKED_HEAD;
	stream->avail_in = (uInt)(size - PACKED_HEAD);
	stream->next_out = hlog->payload;
	stream->avail_out = PAYLOAD_MAX;
	/* The stream must end at the end of the input and fit into the largest possible payload. */
	if (inflate(stream, Z_FINISH) != Z_STREAM_END || stream->avail_in > 0)
		return ERR_HLOG_DAMAGED;
	*ret_payload_size = stream->total_out;
	return 0;
}

MUST_USE static int check_head(const unsigned char *payload, size_t size)
{
	if (size < PAYLOAD_HEAD)
		return ERR_HLOG_DAMAGED;
	if (get_big_endian(payload + AT_COOKIE, 4) != COOKIE_PAYLOAD ||
	    get_big_endian(payload + AT_OFFSET, 4) != 0 ||
	    get_big_endian(payload + AT_DIGITS, 4) != DIGITS ||
	    get_big_endian(payload + AT_LOWEST, 8) != LOWEST ||
	    get_big_endian(payload + AT_RATIO, 8) != RATIO_ONE)
		return ERR_HLOG_FOREIGN;
	if (get_big_endian(payload + AT_SIZE, 4) != size - PAYLOAD_HEAD)
		return ERR_HLOG_DAMAGED;
	return 0; /* the highest value is not checked, because the counts show what was recorded */
}

/* Reads the next non-zero count between *at and end. *index is the index of the next bucket. */
MUST_USE static int next_count(const unsigned char **at, const unsigned char *end, size_t *index,
			       uint64_t *ret_n)
{
	*ret_n = 0;
	while (*at < end) {
		int64_t number;
		int rc = get_number(at, end, &number);
		if (rc < 0)
			return rc;
		uint64_t n_buckets = number < 0 ? -(uint64_t)number : 1;
		if (n_buckets > HISTOGRAM_BUCKETS - *index)
			return ERR_OUT_OF_RANGE;
		*index += n_buckets;
		if (number <= 0)
			continue;
		*ret_n = (uint64_t)number;
		return 0;
	}
	return 0;
}

/* Adds the counts to `into`; NULL: only checks them. n is the number of values already there. */
MUST_USE static int add_counts(const unsigned char *at, const unsigned char *end, uint64_t n,
			       struct histogram *into)
{
	size_t index = 0;
	for (;;) {
		uint64_t count;
		int rc = next_count(&at, end, &index, &count);
		if (rc < 0 || count == 0)
			return rc;
		if (count > INT64_MAX - n)
			return ERR_OUT_OF_RANGE;
		n += count;
		if (into != NULL)
			histogram_record_bucket(into, index - 1, count);
	}
}

int hlog_decode(struct hlog *hlog, const char *string, struct histogram *into)
{
	int size = b64_pton(string, hlog->packed, sizeof(hlog->packed));
	if (size < 0)
		return ERR_HLOG_DAMAGED;
	size_t payload_size;
	int rc = hlog_unpack_counts(hlog, (size_t)size, &payload_size);
	if (rc < 0)
		return rc;
	rc = check_head(hlog->payload, payload_size);
	if (rc < 0)
		return rc;

	const unsigned char *counts = hlog->payload + PAYLOAD_HEAD;
	const unsigned char *end = hlog->payload + payload_size;
	rc = add_counts(counts, end, into->n, NULL);
	if (rc < 0)
		return rc;
	return add_counts(counts, end, into->n, into);
}

/* ---- histograms of a series ---- */

int hlog_pack(struct hlog *hlog, struct histogram *histogram, char **ret_packed)
{
	char *packed = NULL;
	if (histogram->n > 0) {
		packed = strdup(hlog_encode(hlog, histogram));
		if (packed == NULL)
			return -ENOMEM;
	}
	histogram_reset(histogram);
	*ret_packed = packed;
	return 0;
}

int hlog_unpack(struct hlog *hlog, const char *packed, struct histogram *into)
{
	return packed != NULL ? hlog_decode(hlog, packed, into) : 0;
}
