/* SPDX-License-Identifier: MIT */
/*
 * The pattern is as its header describes, wherever it is cut. A wrong byte is found at its offset.
 * Bytes from anywhere in any stream are located there, and foreign bytes nowhere.
 */
#include "base/payload.h"

#include <string.h>

#include "unit.h"

#define SEED UINT64_C(0x7465737420736565)

/* Room on both sides, to check that nothing is written there. */
#define MARGIN 16
#define MOST   (20 * 1024)

static unsigned char buffer[MARGIN + MOST + MARGIN];
static unsigned char model[MOST];

/* A private generator: the same series everywhere (Knuth's MMIX constants). */
static uint64_t random_state = 1;

static uint64_t random_below(uint64_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 16) % n;
}

/* ---- the bytes ---- */

static uint64_t mixed(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/*
 * Returns a word of a stream, as the header describes it; multiplications replace shifts and sums.
 */
static uint64_t model_word(uint64_t seed, uint64_t connection, uint64_t word)
{
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t start = mixed(seed + step);
	uint64_t x = start + (connection * PAYLOAD_BLOCKS + word / 64) * step;
	x = (x ^ (x >> 24)) * 0x4001;
	x = (x ^ (x >> 33)) * 0x100001;
	return mixed((word % 64 + 1) * step) + (x ^ (x >> 25)) * 0x101;
}

static void fill_model(uint64_t seed, uint64_t connection, uint64_t offset, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t word = model_word(seed, connection, (offset + i) / 8);
		model[i] = (unsigned char)(word >> (offset + i) % 8 * 8);
	}
}

/* Fills at `shift` bytes behind an aligned address, and checks that nothing beside is written. */
static void assert_fills(uint64_t connection, uint64_t offset, size_t shift, size_t n)
{
	struct payload payload = payload_of(SEED, connection);
	unsigned char *bytes = buffer + MARGIN + shift;
	fill_model(SEED, connection, offset, n);
	memset(buffer, 0x5a, sizeof(buffer));
	payload_fill(&payload, offset, bytes, n);
	assert_memory_equal(bytes, model, n);
	for (unsigned char *beside = buffer; beside < buffer + sizeof(buffer); beside++) {
		if ((beside < bytes || beside >= bytes + n) && *beside != 0x5a)
			fail_msg("written beside: offset %ju, size %zu", (uintmax_t)offset, n);
		if (beside == bytes + n + MARGIN)
			break;
	}
	assert_int_equal(payload_match(&payload, offset, bytes, n), n);
}

TEST(the_bytes_are_the_same_on_every_machine)
{
	static const unsigned char first[] = { 0x39, 0x8e, 0x8c, 0xd5, 0xf1, 0xbf, 0xa0, 0x99 };
	unsigned char bytes[sizeof(first)];
	struct payload payload = payload_of(1, 2);
	payload_fill(&payload, 3, bytes, sizeof(bytes));
	assert_memory_equal(bytes, first, sizeof(first));
}

TEST(a_stream_is_the_same_wherever_it_is_cut)
{
	for (uint64_t offset = 0; offset < 80; offset++) {
		for (size_t n = 0; n <= 210; n++)
			assert_fills(3, offset, (size_t)(offset % 7), n);
	}
}

TEST(a_stream_is_the_same_at_every_alignment_of_memory)
{
	for (size_t shift = 0; shift < 64; shift++) {
		for (size_t n = 0; n <= 300; n += 1 + n / 17)
			assert_fills(999, random_below(UINT64_C(1) << 40), shift % MARGIN, n);
	}
}

TEST(large_pieces_and_far_offsets_are_of_the_same_stream)
{
	for (unsigned int i = 0; i < 200; i++) {
		uint64_t offset = random_below(UINT64_C(1) << 47) << random_below(16);
		assert_fills(random_below(PAYLOAD_CONNECTIONS), offset, random_below(MARGIN),
			     random_below(MOST - MARGIN));
	}
}

TEST(seeds_and_connections_have_streams_of_their_own)
{
	struct payload patterns[] = { payload_of(0, 0), payload_of(0, 1), payload_of(1, 0),
				      payload_of(1, 1), payload_of(UINT64_MAX, 0) };
	unsigned char bytes[ARRAY_LEN(patterns)][16];
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		payload_fill(&patterns[i], 0, bytes[i], sizeof(bytes[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(bytes[i], bytes[j], sizeof(bytes[i]));
	}
}

/* ---- what is right ---- */

TEST(a_wrong_byte_is_found_wherever_it_is)
{
	static const size_t sizes[] = { 1, 7, 8, 9, 15, 16, 63, 64, 65, 127, 128, 200 };
	struct payload payload = payload_of(SEED, 5);
	for (uint64_t offset = 0; offset < 9; offset++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			size_t n = sizes[i];
			payload_fill(&payload, offset, buffer, n);
			for (size_t wrong = 0; wrong < n; wrong++) {
				unsigned char bit = (unsigned char)(1u << (wrong + offset) % 8);
				buffer[wrong] ^= bit;
				assert_int_equal(payload_match(&payload, offset, buffer, n), wrong);
				buffer[wrong] ^= bit;
			}
		}
	}
}

TEST(a_wrong_bit_is_found_in_large_pieces_too)
{
	struct payload payload = payload_of(SEED, 5);
	payload_fill(&payload, 77, buffer, MOST);
	for (unsigned int i = 0; i < 3000; i++) {
		size_t wrong = random_below(MOST);
		unsigned char bit = (unsigned char)(1u << random_below(8));
		buffer[wrong] ^= bit;
		assert_int_equal(payload_match(&payload, 77, buffer, MOST), wrong);
		/* A wrong byte behind it changes nothing. */
		buffer[MOST - 1] ^= 0x10;
		assert_int_equal(payload_match(&payload, 77, buffer, MOST), wrong);
		buffer[MOST - 1] ^= 0x10;
		buffer[wrong] ^= bit;
	}
}

/* Counts equal bytes in two runs of words, for each place in a word. */
static void count_alike(const struct payload *one, uint64_t one_offset, const struct payload *other,
			uint64_t other_offset, uint64_t *same)
{
	static unsigned char a[32768], b[32768];
	size_t first = 0;
	payload_fill(one, one_offset, a, sizeof(a));
	payload_fill(other, other_offset, b, sizeof(b));
	for (size_t i = 0; i < sizeof(a); i++)
		same[i % 8] += a[i] == b[i];
	/*
	 * However similar the streams are, another stream's bytes are detected within the first
	 * bytes.
	 */
	while (a[first] == b[first])
		first++;
	assert_true(first < 8);
}

/*
 * 4096 bytes of each place in n pairs: one in 256 is equal by chance. The number varies by whole
 * blocks.
 */
static void assert_alike_by_chance_only(const uint64_t *same, uint64_t n)
{
	for (size_t place = 0; place < 8; place++) {
		if (same[place] > 2 * 16 * n)
			fail_msg("%ju of %ju bytes are the same at place %zu",
				 (uintmax_t)same[place], (uintmax_t)(4096 * n), place);
	}
}

TEST(streams_have_bytes_in_common_by_chance_only)
{
	struct payload first = payload_of(SEED, 0);
	uint64_t same[8] = { 0 }, same_shifted[8] = { 0 };
	for (uint64_t connection = 1; connection <= 300; connection++) {
		struct payload payload = payload_of(SEED, connection);
		count_alike(&first, 0, &payload, 0, same);
		count_alike(&first, 0, &payload, connection, same_shifted);
	}
	assert_alike_by_chance_only(same, 300);
	assert_alike_by_chance_only(same_shifted, 300);
}

TEST(parts_of_a_stream_have_bytes_in_common_by_chance_only)
{
	struct payload payload = payload_of(SEED, 0);
	uint64_t same[8] = { 0 }, same_far[8] = { 0 }, same_blocks[8] = { 0 };
	for (uint64_t distance = 1; distance <= 600; distance++)
		count_alike(&payload, 0, &payload, distance, same);
	for (unsigned int power = 10; power < 39; power++)
		count_alike(&payload, 0, &payload, UINT64_C(1) << power, same_far);
	for (uint64_t blocks = 1; blocks <= 300; blocks++)
		count_alike(&payload, 0, &payload, blocks * PAYLOAD_BLOCK_SIZE, same_blocks);
	assert_alike_by_chance_only(same, 600);
	assert_alike_by_chance_only(same_far, 29);
	assert_alike_by_chance_only(same_blocks, 300);
}

/* ---- the way back ---- */

#define TERABYTE (UINT64_C(1) << 40)

static void assert_located(uint64_t n_connections, uint64_t bound, uint64_t connection,
			   uint64_t offset, size_t n)
{
	struct payload payload = payload_of(SEED, connection);
	struct payload_place place = { .connection = UINT64_MAX, .offset = UINT64_MAX };
	unsigned char *bytes = buffer + random_below(MARGIN);
	payload_fill(&payload, offset, bytes, n);
	if (!payload_locate(SEED, n_connections, bound, bytes, n, &place))
		fail_msg("%zu bytes at %ju of %ju were not found", n, (uintmax_t)offset,
			 (uintmax_t)connection);
	assert_int_equal(place.connection, connection);
	assert_int_equal(place.offset, offset);
}

TEST(bytes_are_located_at_every_alignment_and_size)
{
	for (uint64_t offset = 0; offset < 70; offset++) {
		for (size_t n = PAYLOAD_LOCATE_SURE; n <= 100; n++)
			assert_located(1000, 4096, (offset * 31 + n) % 1000, offset, n);
	}
}

TEST(bytes_are_located_in_each_of_many_connections)
{
	for (uint64_t connection = 0; connection < 1000; connection++) {
		for (unsigned int i = 0; i < 20; i++)
			assert_located(1000, UINT64_C(1) << 30, connection,
				       random_below((UINT64_C(1) << 30) - 16), 16);
	}
	for (unsigned int i = 0; i < 2000; i++)
		assert_located(PAYLOAD_CONNECTIONS, PAYLOAD_SIZE, random_below(PAYLOAD_CONNECTIONS),
			       random_below(PAYLOAD_SIZE - 16), 16);
}

TEST(a_whole_word_is_enough_to_be_located)
{
	for (uint64_t offset = 0; offset < 800; offset += 8)
		assert_located(1000, 4096, offset % 1000, offset, PAYLOAD_LOCATE_MIN);
	for (uint64_t offset = 0; offset < 800; offset++)
		assert_located(1000, 4096, offset % 1000, offset, (size_t)(8 + -offset % 8));
}

TEST(a_stream_of_many_terabytes_is_located_to_its_end)
{
	for (uint64_t offset = 0; offset < 5 * TERABYTE; offset += TERABYTE / 3)
		assert_located(1, 5 * TERABYTE + 16, 0, offset, 16);
}

TEST(what_lies_beyond_the_bounds_was_not_sent)
{
	struct payload payload = payload_of(SEED, 7);
	struct payload_place place = { .connection = 99, .offset = 99 };
	for (uint64_t offset = 1000; offset < 1016; offset++) {
		payload_fill(&payload, offset, buffer, 16);
		assert_true(payload_locate(SEED, 8, offset + 16, buffer, 16, &place));
		place = (struct payload_place){ .connection = 99, .offset = 99 };
		assert_false(payload_locate(SEED, 8, offset + 15, buffer, 16, &place));
		assert_false(payload_locate(SEED, 7, offset + 16, buffer, 16, &place));
		assert_false(payload_locate(SEED + 1, 8, offset + 16, buffer, 16, &place));
		assert_false(payload_locate(SEED, 8, 0, buffer, 16, &place));
		assert_int_equal(place.connection, 99);
	}
}

TEST(every_byte_that_is_located_was_compared)
{
	struct payload payload = payload_of(SEED, 7);
	struct payload_place place;
	for (uint64_t offset = 0; offset < 8; offset++) {
		payload_fill(&payload, offset, buffer, 100);
		for (size_t wrong = 0; wrong < 100; wrong++) {
			buffer[wrong] ^= 0x20;
			assert_false(payload_locate(SEED, 1000, 4096, buffer, 100, &place));
			buffer[wrong] ^= 0x20;
		}
	}
}

TEST(foreign_bytes_are_located_nowhere)
{
	struct payload_place place;
	for (unsigned int i = 0; i < 20000; i++) {
		for (size_t byte = 0; byte < 16; byte++)
			buffer[byte] = (unsigned char)random_below(256);
		assert_false(payload_locate(SEED, 1000, TERABYTE, buffer, 16, &place));
	}
	memset(buffer, 0, 64);
	assert_false(payload_locate(SEED, 1000, TERABYTE, buffer, 64, &place));
}

TEST(too_few_bytes_are_located_nowhere)
{
	struct payload payload = payload_of(SEED, 0);
	struct payload_place place;
	payload_fill(&payload, 0, buffer, 16);
	for (size_t n = 0; n < PAYLOAD_LOCATE_MIN; n++)
		assert_false(payload_locate(SEED, 1, 4096, buffer, n, &place));
}

TEST(wrong_bytes_are_counted_at_their_places)
{
	struct payload payload = payload_of(SEED, 3);
	for (uint64_t offset = 0; offset < 20; offset++) {
		payload_fill(&payload, offset, buffer, 100);
		assert_int_equal(payload_count_wrong(&payload, offset, offset + 100, buffer, 100),
				 0);
		buffer[0] ^= 1;
		buffer[50] ^= 0x80;
		buffer[99] ^= 0xff;
		assert_int_equal(payload_count_wrong(&payload, offset, offset + 100, buffer, 100),
				 3);
		/* From the 61st byte on they were never sent. */
		assert_int_equal(payload_count_wrong(&payload, offset, offset + 60, buffer, 100),
				 42);
		assert_int_equal(payload_count_wrong(&payload, offset, 0, buffer, 100), 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_are_the_same_on_every_machine),
		cmocka_unit_test(a_stream_is_the_same_wherever_it_is_cut),
		cmocka_unit_test(a_stream_is_the_same_at_every_alignment_of_memory),
		cmocka_unit_test(large_pieces_and_far_offsets_are_of_the_same_stream),
		cmocka_unit_test(seeds_and_connections_have_streams_of_their_own),
		cmocka_unit_test(a_wrong_byte_is_found_wherever_it_is),
		cmocka_unit_test(a_wrong_bit_is_found_in_large_pieces_too),
		cmocka_unit_test(streams_have_bytes_in_common_by_chance_only),
		cmocka_unit_test(parts_of_a_stream_have_bytes_in_common_by_chance_only),
		cmocka_unit_test(bytes_are_located_at_every_alignment_and_size),
		cmocka_unit_test(bytes_are_located_in_each_of_many_connections),
		cmocka_unit_test(a_whole_word_is_enough_to_be_located),
		cmocka_unit_test(a_stream_of_many_terabytes_is_located_to_its_end),
		cmocka_unit_test(what_lies_beyond_the_bounds_was_not_sent),
		cmocka_unit_test(every_byte_that_is_located_was_compared),
		cmocka_unit_test(foreign_bytes_are_located_nowhere),
		cmocka_unit_test(too_few_bytes_are_located_nowhere),
		cmocka_unit_test(wrong_bytes_are_counted_at_their_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
