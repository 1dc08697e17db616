/* SPDX-License-Identifier: MIT */
/*
 * The string of a histogram loses nothing: before compression it equals that of HdrHistogram for
 * Java, byte for byte. Reading any string ends in a histogram or in a code.
 */
#include "stats/hlog.h"

#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/err.h"
#include "unit.h"

#define LAST (HISTOGRAM_BUCKETS - 1)

/* From HdrHistogram 2.1.11 for Java: Histogram(1, 3600000000000, 3) and so on. */
#define JAVA_EMPTY "HISTFAAAACF4nJNpmSzMwMDAyAABzFAayGd2M9ixgMH+A1QEAFKmBEw="
#define JAVA_MIXED                                                                         \
	"HISTFAAAAD54nJNpmSzMwMCgzAABzFCaEch0M9ixgMH+A0SAiYmB6at8A+MF/v19jA0g4PB2MeOnA40Q" \
	"9uPtjEwA2oETFw=="
#define JAVA_TWO_DIGITS "HISTFAAAACN4nJNpmSzMwMDAxAABMJqRgYHZzWDHAgb7DxABTiYAVw4EVw=="
#define JAVA_FROM_1000  "HISTFAAAACN4nJNpmSzMwMDAxAABzFDqBRC7GexYwGD/ASIiyAQAaJoFSg=="
/* Histogram(3), which grows: 100 and an hour. */
#define JAVA_GROWN "HISTFAAAACZ4nJNpmSzMwMDAzgABzFCaEcj8DwL2HyACxxmZznawMAEAsMMJpA=="
/* Two hours, as Histogram(1, 7200000000000, 3) counts them. */
#define JAVA_TWO_HOURS "HISTFAAAACZ4nJNpmSzMwMDAwgABzFCakYGBrSex0IHB/gNEYPosFiYAYrAFWQ=="

/* ---- one of each for every test ---- */

static struct hlog *hlog;
static struct histogram given, got;

static int open_all(void **state)
{
	(void)state;
	assert_int_equal(hlog_open(&hlog), 0);
	assert_int_equal(histogram_open(&given), 0);
	assert_int_equal(histogram_open(&got), 0);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	hlog_close(hlog);
	histogram_close(&given);
	histogram_close(&got);
	return 0;
}

static void assert_same_counts(void)
{
	assert_int_equal(given.n, got.n);
	assert_memory_equal(given.counts, got.counts, HISTOGRAM_BUCKETS * sizeof(uint64_t));
}

static void assert_nothing(const struct histogram *histogram)
{
	static const uint64_t none[HISTOGRAM_BUCKETS];
	assert_int_equal(histogram->n, 0);
	assert_int_equal(histogram->max_ns, 0);
	assert_memory_equal(histogram->counts, none, sizeof(none));
}

/* The values of JAVA_MIXED. */
static void record_mixed(struct histogram *histogram)
{
	histogram_record(histogram, 0);
	histogram_record(histogram, 1);
	histogram_record(histogram, 3);
	histogram_record_n(histogram, 2047, 64);
	histogram_record_n(histogram, 2048, 1000);
	histogram_record_n(histogram, 1000000, UINT64_C(1) << 40);
	histogram_record_n(histogram, 1234567890, (UINT64_C(1) << 61) + 12345);
	histogram_record(histogram, HISTOGRAM_HIGHEST_NS);
}

/* ---- strings, and what is in them ---- */

#define BYTES_MAX (512 * 1024)

struct bytes {
	size_t n;
	unsigned char at[BYTES_MAX];
};

/* Extracts the payload of a string without the subject's code. */
static void payload_of(const char *string, struct bytes *ret_payload)
{
	static unsigned char packed[BYTES_MAX];
	int n = b64_pton(string, packed, sizeof(packed));
	assert_true(n > 8);
	uLongf size = sizeof(ret_payload->at);
	assert_int_equal(uncompress(ret_payload->at, &size, packed + 8, (uLong)n - 8), Z_OK);
	ret_payload->n = size;
}

static char string_made[2 * BYTES_MAX];

/* Returns the string of compressed data, with the matching header. */
static const char *string_of_packed(unsigned char *packed, size_t n)
{
	static const unsigned char cookie[] = { 0x1c, 0x84, 0x93, 0x14 };
	uint32_t size = htonl((uint32_t)n);
	memcpy(packed, cookie, 4);
	memcpy(packed + 4, &size, 4);
	assert_true(b64_ntop(packed, n + 8, string_made, sizeof(string_made)) > 0);
	return string_made;
}

static const char *string_of_payload(const struct bytes *payload)
{
	static unsigned char packed[BYTES_MAX];
	uLongf size = sizeof(packed) - 8;
	assert_int_equal(compress2(packed + 8, &size, payload->at, payload->n, 1), Z_OK);
	return string_of_packed(packed, size);
}

/* Returns a payload with these counts, and the matching header. */
static const struct bytes *payload_of_counts(const void *counts, size_t n)
{
	static struct bytes payload;
	static const unsigned char head[40] = {
		0x1c, 0x84, 0x93, 0x13,                      /* cookie */
		0,    0,    0,    0,                         /* size, below */
		0,    0,    0,    0,                         /* offset */
		0,    0,    0,    3,                         /* digits */
		0,    0,    0,    0,    0,    0,    0,    1, /* lowest */
		0,    0,    0x03, 0x46, 0x30, 0xb8, 0xa0, 0, /* highest */
		0x3f, 0xf0, 0,    0,    0,    0,    0,    0, /* ratio */
	};
	uint32_t size = htonl((uint32_t)n);
	memcpy(payload.at, head, sizeof(head));
	memcpy(payload.at + 4, &size, 4);
	memcpy(payload.at + sizeof(head), counts, n);
	payload.n = sizeof(head) + n;
	return &payload;
}

static int decode_counts(const void *counts, size_t n)
{
	return hlog_decode(hlog, string_of_payload(payload_of_counts(counts, n)), &got);
}

/* ---- encoding ---- */

static void assert_payload_as_of(const char *string)
{
	static struct bytes ours, theirs;
	payload_of(hlog_encode(hlog, &given), &ours);
	payload_of(string, &theirs);
	assert_int_equal(ours.n, theirs.n);
	assert_memory_equal(ours.at, theirs.at, ours.n);
}

TEST(it_is_encoded_as_java_does)
{
	assert_payload_as_of(JAVA_EMPTY);
	record_mixed(&given);
	assert_payload_as_of(JAVA_MIXED);
}

TEST(a_string_is_one_word_of_base64)
{
	record_mixed(&given);
	const char *string = hlog_encode(hlog, &given);
	assert_memory_equal(string, "HISTF", 5);
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	assert_int_equal(strspn(string, base64), strlen(string));
	assert_int_equal(strlen(string) % 4, 0);
}

TEST(the_largest_count_has_nine_bytes)
{
	static struct bytes payload;
	histogram_record_n(&given, 0, INT64_MAX);
	payload_of(hlog_encode(hlog, &given), &payload);
	assert_int_equal(payload.n, 40 + 9);
	assert_memory_equal(payload.at + 40, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9);
}

static void assert_round_trip(void)
{
	histogram_reset(&got);
	char *string = strdup(hlog_encode(hlog, &given));
	assert_non_null(string);
	assert_int_equal(hlog_decode(hlog, string, &got), 0);
	assert_same_counts();
	/* The extremes are known to the width of their buckets. */
	assert_int_equal(histogram_index(got.max_ns), histogram_index(given.max_ns));
	assert_int_equal(histogram_index(got.min_ns), histogram_index(given.min_ns));
	assert_string_equal(hlog_encode(hlog, &got), string);
	free(string);
}

TEST(of_every_bucket_alone_the_count_comes_back)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i += i < 2100 || i > LAST - 50 ? 1 : 97) {
		histogram_reset(&given);
		histogram_record_n(&given, histogram_lowest_ns(i), i + 1);
		histogram_reset(&got);
		const char *string = hlog_encode(hlog, &given);
		assert_int_equal(hlog_decode(hlog, string, &got), 0);
		assert_int_equal(got.n, i + 1);
		assert_int_equal(got.counts[i], i + 1);
	}
}

TEST(counts_of_every_size_come_back)
{
	for (unsigned int bits = 0; bits < 62; bits++) {
		histogram_record_n(&given, 10 + 3 * bits, UINT64_C(1) << bits);
		histogram_record_n(&given, 11 + 3 * bits, (UINT64_C(1) << bits) - 1);
		assert_true(given.n <= INT64_MAX);
		assert_round_trip();
	}
	histogram_reset(&given);
	histogram_record_n(&given, 5, INT64_MAX);
	assert_round_trip();
}

/* A private generator: the same series everywhere (Knuth's MMIX constants). */
static uint64_t random_state;

static uint64_t random_number(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return random_state >> 20;
}

TEST(many_values_come_back)
{
	for (unsigned int magnitude = 1; magnitude <= 44; magnitude++) {
		histogram_reset(&given);
		random_state = magnitude;
		for (size_t i = 0; i < 2000; i++)
			histogram_record(&given, random_number() >> (44 - magnitude));
		assert_round_trip();
	}
}

TEST(a_histogram_that_is_as_large_as_can_be_comes_back)
{
	/*
	 * The largest counts that all buckets can have, all different: zlib hardly compresses them.
	 */
	random_state = 1;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = (UINT64_C(1) << 47) + (random_number() & 0xffffffffffff) % 1000000007;
		histogram_record_n(&given, histogram_lowest_ns(i), n);
	}
	assert_round_trip();
}

TEST(what_was_packed_in_a_hurry_comes_back)
{
	hlog_close(hlog);
	assert_int_equal(hlog_open_quick(&hlog), 0);
	random_state = 7;
	for (size_t i = 0; i < 20000; i++)
		histogram_record(&given, random_number() >> 20);
	assert_round_trip();
	histogram_reset(&given);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = (UINT64_C(1) << 47) + (random_number() & 0xffffffffffff) % 1000000007;
		histogram_record_n(&given, histogram_lowest_ns(i), n);
	}
	assert_round_trip();
}

/* ---- a log ---- */

TEST(a_log_begins_with_its_program_and_time)
{
	const char *head = hlog_head(hlog, UINT64_C(1792236345678500000));
	const char *line = strchr(head, '\n') + 1;
	assert_memory_equal(head, "#[Logged with tcpecho ", 22);
	assert_string_equal(line, "#[Histogram log format version 1.3]\n"
				  "#[StartTime: 1792236345.679 (seconds since epoch), "
				  "Sat Oct 17 11:25:45 UTC 2026]\n"
				  "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
				  "\"Interval_Compressed_Histogram\"\n");
	assert_non_null(strstr(hlog_head(hlog, 0), " 0.000 (seconds since epoch), Thu Jan 01 00:"));
	assert_non_null(strstr(hlog_head(hlog, UINT64_MAX), " UTC 2554]"));
}

TEST(a_line_has_its_times_its_largest_value_and_the_histogram)
{
	histogram_record(&given, 2769500);
	char expected[512];
	const struct hlog_interval interval = {
		.start_ns = UINT64_C(127499999),
		.length_ns = UINT64_C(1007500000),
	};
	snprintf(expected, sizeof(expected), "0.127,1.008,2.770,%s\n", hlog_encode(hlog, &given));
	assert_string_equal(hlog_line(hlog, &interval, &given), expected);
}

TEST(a_line_may_have_a_tag)
{
	const struct hlog_interval interval = { .tag = "response", .length_ns = 1000000000 };
	assert_memory_equal(hlog_line(hlog, &interval, &given),
			    "Tag=response,0.000,1.000,0.000,HISTF", 36);
}

TEST(the_longest_line_has_room)
{
	char tag[HLOG_TAG_MAX + 1] = { 0 };
	memset(tag, '~', HLOG_TAG_MAX);
	const struct hlog_interval interval = {
		.tag = tag,
		.start_ns = UINT64_MAX,
		.length_ns = UINT64_MAX,
	};
	random_state = 2;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram_record_n(&given, histogram_lowest_ns(i), random_number());
	histogram_record(&given, UINT64_MAX);
	const char *line = hlog_line(hlog, &interval, &given);
	assert_int_equal(unit_lines(line), 1);
	*strchr(line, '\n') = '\0';
	assert_int_equal(hlog_decode(hlog, strrchr(line, ',') + 1, &got), 0);
	assert_same_counts();
}

static void make_a_line_with_tag(const void *argument)
{
	const struct hlog_interval interval = { .tag = argument };
	hlog_line(hlog, &interval, &given);
}

TEST(a_tag_that_would_break_the_line_is_a_bug_of_the_caller)
{
	char too_long[HLOG_TAG_MAX + 2] = { 0 };
	memset(too_long, 'x', HLOG_TAG_MAX + 1);
	const char *const wrong[] = { "a,b", "a b", "a\nb", "\xc3\xa9", too_long };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		unit_child_dies_of(SIGABRT, make_a_line_with_tag, wrong[i]);
}

/* ---- decoding ---- */

TEST(what_java_made_is_read)
{
	record_mixed(&given);
	assert_int_equal(hlog_decode(hlog, JAVA_EMPTY, &got), 0);
	assert_nothing(&got);
	assert_int_equal(hlog_decode(hlog, JAVA_MIXED, &got), 0);
	assert_same_counts();

	histogram_reset(&given);
	histogram_reset(&got);
	histogram_record(&given, 100);
	histogram_record(&given, HISTOGRAM_HIGHEST_NS);
	assert_int_equal(hlog_decode(hlog, JAVA_GROWN, &got), 0);
	assert_same_counts();
}

TEST(what_is_read_is_added)
{
	record_mixed(&given);
	histogram_record_n(&given, 77, 7);
	histogram_record_n(&got, 77, 7);
	assert_int_equal(hlog_decode(hlog, JAVA_MIXED, &got), 0);
	assert_same_counts();
	assert_int_equal(histogram_min_ns(&got), 0);
}

TEST(another_precision_is_foreign)
{
	assert_int_equal(hlog_decode(hlog, JAVA_TWO_DIGITS, &got), ERR_HLOG_FOREIGN);
	assert_int_equal(hlog_decode(hlog, JAVA_FROM_1000, &got), ERR_HLOG_FOREIGN);
	assert_nothing(&got);
}

TEST(values_that_have_no_bucket_here_are_out_of_range)
{
	assert_int_equal(hlog_decode(hlog, JAVA_TWO_HOURS, &got), ERR_OUT_OF_RANGE);
	assert_nothing(&got);
}

TEST(a_string_that_is_cut_anywhere_is_damaged)
{
	char string[] = JAVA_MIXED;
	for (size_t n = strlen(string); n-- > 0;) {
		string[n] = '\0';
		assert_int_equal(hlog_decode(hlog, string, &got), ERR_HLOG_DAMAGED);
	}
	assert_nothing(&got);
}

TEST(a_string_with_any_character_changed_is_not_taken_for_another_histogram)
{
	static const char others[] = "A/z=-,\n\x01\xff";
	const char *const right = JAVA_MIXED;
	for (size_t i = 0; i < strlen(right); i++) {
		for (size_t k = 0; k < strlen(others); k++) {
			char string[] = JAVA_MIXED;
			if (string[i] == others[k])
				continue;
			string[i] = others[k];
			assert_true(hlog_decode(hlog, string, &got) < 0);
		}
	}
	assert_nothing(&got);
}

TEST(what_is_no_encoded_histogram_is_refused)
{
	static char too_long[2 * BYTES_MAX];
	memset(too_long, 'A', sizeof(too_long) - 1);
	const char *const wrong[] = { "", "=", "HISTF", "hello, world", "AAAA", too_long };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(hlog_decode(hlog, wrong[i], &got), ERR_HLOG_DAMAGED);
	/* V1 and V0 of the encoding begin with other cookies. */
	assert_int_equal(hlog_decode(hlog, "HISTEgAAAAA=", &got), ERR_HLOG_FOREIGN);
	assert_int_equal(hlog_decode(hlog, "HISTCQAAAAA=", &got), ERR_HLOG_FOREIGN);
}

TEST(every_number_of_the_header_is_looked_at)
{
	/* The bytes of the highest value, 24 to 31, may be anything. */
	static const unsigned char count[] = { 2 };
	for (size_t i = 0; i < 40; i++) {
		struct bytes payload = *payload_of_counts(count, sizeof(count));
		payload.at[i] ^= 0x40;
		int expected = i >= 24 && i < 32 ? 0
			       : i >= 4 && i < 8 ? ERR_HLOG_DAMAGED
						 : ERR_HLOG_FOREIGN;
		assert_int_equal(hlog_decode(hlog, string_of_payload(&payload), &got), expected);
	}
	assert_int_equal(got.n, 8);
}

TEST(a_payload_that_is_cut_anywhere_is_damaged)
{
	static const unsigned char counts[] = { 2, 0x80, 0x80, 1 };
	struct bytes payload = *payload_of_counts(counts, sizeof(counts));
	size_t whole = payload.n;
	for (payload.n = 0; payload.n < whole; payload.n++)
		assert_int_equal(hlog_decode(hlog, string_of_payload(&payload), &got),
				 ERR_HLOG_DAMAGED);
	assert_nothing(&got);
}

TEST(a_count_that_does_not_end_is_damaged)
{
	static const unsigned char counts[] = { 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	for (size_t n = 2; n <= sizeof(counts); n++)
		assert_int_equal(decode_counts(counts, n), ERR_HLOG_DAMAGED);
	assert_nothing(&got); /* not even the first, which is whole */
}

TEST(runs_of_empty_buckets_end_where_the_buckets_do)
{
	/* -33420 and -33421 empty buckets, then 1. */
	static const unsigned char fits[] = { 0x97, 0x8a, 0x04, 2 };
	static const unsigned char one_more[] = { 0x99, 0x8a, 0x04, 2 };
	static const unsigned char two_more[] = { 0x9b, 0x8a, 0x04 };
	static const unsigned char most[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};
	assert_int_equal(decode_counts(fits, sizeof(fits)), 0);
	assert_int_equal(got.counts[LAST], 1);
	histogram_reset(&got);
	assert_int_equal(decode_counts(one_more, sizeof(one_more)), ERR_OUT_OF_RANGE);
	assert_int_equal(decode_counts(two_more, sizeof(two_more)), ERR_OUT_OF_RANGE);
	assert_int_equal(decode_counts(most, sizeof(most)), ERR_OUT_OF_RANGE); /* INT64_MIN */
	assert_nothing(&got);
}

TEST(more_counts_than_buckets_are_out_of_range)
{
	static unsigned char counts[HISTOGRAM_BUCKETS + 1];
	memset(counts, 2, sizeof(counts));
	assert_int_equal(decode_counts(counts, HISTOGRAM_BUCKETS), 0);
	assert_int_equal(got.n, HISTOGRAM_BUCKETS);
	histogram_reset(&got);
	assert_int_equal(decode_counts(counts, sizeof(counts)), ERR_OUT_OF_RANGE);
	assert_nothing(&got);
}

TEST(more_values_than_can_be_counted_are_out_of_range)
{
	/* INT64_MAX, and 1. */
	static const unsigned char counts[] = {
		0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
	};
	assert_int_equal(decode_counts(counts, sizeof(counts)), ERR_OUT_OF_RANGE);
	assert_nothing(&got);
	assert_int_equal(decode_counts(counts, sizeof(counts) - 1), 0);
	assert_int_equal(got.n, INT64_MAX);
	assert_int_equal(decode_counts(counts + sizeof(counts) - 1, 1), ERR_OUT_OF_RANGE);
	assert_int_equal(got.n, INT64_MAX);
}

TEST(what_unpacks_to_more_than_any_histogram_is_damaged)
{
	static struct bytes payload;
	payload.n = sizeof(payload.at); /* zeros: they compress to almost nothing */
	const char *string = string_of_payload(&payload);
	assert_true(strlen(string) < 4000);
	assert_int_equal(hlog_decode(hlog, string, &got), ERR_HLOG_DAMAGED);
}

TEST(what_stands_behind_the_packed_payload_is_damage)
{
	static unsigned char packed[BYTES_MAX];
	static const unsigned char count[] = { 2 };
	const struct bytes *payload = payload_of_counts(count, sizeof(count));
	uLongf n = sizeof(packed) - 8;
	assert_int_equal(compress2(packed + 8, &n, payload->at, payload->n, 1), Z_OK);
	assert_int_equal(hlog_decode(hlog, string_of_packed(packed, n + 1), &got),
			 ERR_HLOG_DAMAGED);
	assert_int_equal(hlog_decode(hlog, string_of_packed(packed, n - 1), &got),
			 ERR_HLOG_DAMAGED);
	assert_int_equal(hlog_decode(hlog, string_of_packed(packed, n), &got), 0);
}

TEST(any_counts_at_all_are_a_histogram_or_a_code)
{
	unsigned char counts[64];
	size_t n_read = 0;
	for (random_state = 1; random_state % 5003 != 0;) {
		uint64_t seed = random_state;
		size_t n = random_number() % sizeof(counts);
		for (size_t i = 0; i < n; i++)
			counts[i] = (unsigned char)random_number();
		histogram_reset(&got);
		int rc = decode_counts(counts, n);
		n_read += rc == 0;
		assert_true(rc == 0 || rc == ERR_HLOG_DAMAGED || rc == ERR_OUT_OF_RANGE);
		if (rc < 0)
			assert_nothing(&got);
		random_state = seed + 1;
	}
	assert_true(n_read > 50);
}

TEST(what_was_not_opened_may_be_closed)
{
	hlog_close(NULL);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(it_is_encoded_as_java_does),
		UNIT(a_string_is_one_word_of_base64),
		UNIT(the_largest_count_has_nine_bytes),
		UNIT(of_every_bucket_alone_the_count_comes_back),
		UNIT(counts_of_every_size_come_back),
		UNIT(many_values_come_back),
		UNIT(a_histogram_that_is_as_large_as_can_be_comes_back),
		UNIT(what_was_packed_in_a_hurry_comes_back),
		UNIT(a_log_begins_with_its_program_and_time),
		UNIT(a_line_has_its_times_its_largest_value_and_the_histogram),
		UNIT(a_line_may_have_a_tag),
		UNIT(the_longest_line_has_room),
		UNIT(a_tag_that_would_break_the_line_is_a_bug_of_the_caller),
		UNIT(what_java_made_is_read),
		UNIT(what_is_read_is_added),
		UNIT(another_precision_is_foreign),
		UNIT(values_that_have_no_bucket_here_are_out_of_range),
		UNIT(a_string_that_is_cut_anywhere_is_damaged),
		UNIT(a_string_with_any_character_changed_is_not_taken_for_another_histogram),
		UNIT(what_is_no_encoded_histogram_is_refused),
		UNIT(every_number_of_the_header_is_looked_at),
		UNIT(a_payload_that_is_cut_anywhere_is_damaged),
		UNIT(a_count_that_does_not_end_is_damaged),
		UNIT(runs_of_empty_buckets_end_where_the_buckets_do),
		UNIT(more_counts_than_buckets_are_out_of_range),
		UNIT(more_values_than_can_be_counted_are_out_of_range),
		UNIT(what_unpacks_to_more_than_any_histogram_is_damaged),
		UNIT(what_stands_behind_the_packed_payload_is_damage),
		UNIT(any_counts_at_all_are_a_histogram_or_a_code),
		UNIT(what_was_not_opened_may_be_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
