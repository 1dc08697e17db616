/* SPDX-License-Identifier: MIT */
/*
 * Reading any log ends in a histogram or in an error code. With a code, nothing was added. A
 * histogram is written, and reads as the same again.
 */
#include <assert.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/err.h"
#include "fuzz.h"
#include "stats/hlog.h"
#include "stats/histogram.h"

/* Maximum of the bytes from libFuzzer that are used. */
#define MOST_BYTES 4096

#define PAYLOAD_HEAD 40
/*
 * Before the payload: cookie and size, the headers of zlib and of a stored block; after it: a
 * checksum.
 */
#define PACKED_HEAD (8 + 2 + 5)
#define PACKED_MAX  (PACKED_HEAD + PAYLOAD_HEAD + MOST_BYTES + 4)

static void put(unsigned char *at, uint32_t number)
{
	number = htonl(number);
	memcpy(at, &number, sizeof(number));
}

/*
 * Returns the string of a payload with these counts, and with `change` in byte `at` of the header.
 * zlib checksums would reject every change, so they are computed anew.
 */
static char *string_of(const uint8_t *counts, size_t n, size_t at, uint8_t change)
{
	static unsigned char packed[PACKED_MAX];
	static char string[2 * PACKED_MAX];
	static const unsigned char head[PAYLOAD_HEAD] = {
		[0] = 0x1c, [1] = 0x84, [2] = 0x93,  [3] = 0x13,
		[15] = 3,   [23] = 1,   [32] = 0x3f, [33] = 0xf0,
	};
	unsigned char *payload = packed + PACKED_HEAD;
	memcpy(payload, head, sizeof(head));
	put(payload + 4, (uint32_t)n);
	payload[at] ^= change;
	memcpy(payload + PAYLOAD_HEAD, counts, n);
	n += PAYLOAD_HEAD;

	const unsigned char zlib_head[] = {
		0x78,
		0x01,
		1,
		(unsigned char)n,
		(unsigned char)(n >> 8),
		(unsigned char)~n,
		(unsigned char)(~n >> 8),
	};
	put(packed, 0x1c849314);
	put(packed + 4, (uint32_t)(sizeof(zlib_head) + n + 4));
	memcpy(packed + 8, zlib_head, sizeof(zlib_head));
	put(payload + n, (uint32_t)adler32(1, payload, (uInt)n));
	int length = b64_ntop(packed, PACKED_HEAD + n + 4, string, sizeof(string));
	assert(length > 0);
	return strdup(string);
}

static bool is_same(const struct histogram *one, const struct histogram *other)
{
	struct histogram_bucket a, b;
	size_t at_a = 0, at_b = 0;
	while (histogram_next(one, &at_a, &a)) {
		if (!histogram_next(other, &at_b, &b) || a.index != b.index || a.n != b.n)
			return false;
	}
	return !histogram_next(other, &at_b, &b) && one->n == other->n &&
	       one->sum_ns == other->sum_ns && one->min_ns == other->min_ns &&
	       one->max_ns == other->max_ns;
}

static void check(struct hlog *hlog, const char *string)
{
	static struct histogram got, again;
	if (got.counts == NULL)
		assert(histogram_open(&got) == 0 && histogram_open(&again) == 0);
	histogram_reset(&got);
	histogram_reset(&again);
	int rc = hlog_decode(hlog, string, &got);
	if (rc < 0) {
		assert(rc == ERR_HLOG_DAMAGED || rc == ERR_HLOG_FOREIGN || rc == ERR_OUT_OF_RANGE);
		assert(is_same(&got, &again));
		return;
	}
	assert(hlog_decode(hlog, hlog_encode(hlog, &got), &again) == 0);
	assert(is_same(&got, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hlog *hlog;
	if (hlog == NULL)
		assert(hlog_open(&hlog) == 0);

	struct fuzz_input input = { data, size < MOST_BYTES ? size : MOST_BYTES };
	bool is_string = fuzz_byte(&input) == 'S';
	char *string;
	if (is_string) {
		string = fuzz_string(&input);
	} else {
		size_t at = fuzz_byte(&input) % PAYLOAD_HEAD;
		uint8_t change = fuzz_byte(&input);
		string = string_of(input.at, input.left, at, change);
	}
	assert(string != NULL);
	check(hlog, string);
	free(string);
	return 0;
}
