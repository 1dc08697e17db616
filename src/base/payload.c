/* SPDX-License-Identifier: MIT */
/*
 * The words of a block are made as two vectors of four words, together one cache line. The compiler
 * maps a vector to what the processor has: one register, two, or plain words. A stream may be cut
 * within a word at both ends. So its first and last eight bytes are handled separately and may
 * overlap the words between them. That is cheaper than a loop over single bytes.
 */
#include "base/payload.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define WORD  ((size_t)8)
#define LINE  ((size_t)64)
#define WORDS (PAYLOAD_BLOCK_SIZE / WORD)

/* Bytes compared between two checks of the result: normally all bytes are right. */
#define STRETCH ((size_t)4096)

typedef uint64_t vector4 __attribute__((vector_size(32)));

#define ALWAYS_INLINE __attribute__((always_inline))

/* 2^64 divided by the golden ratio: its multiples are far from each other. */
#define STEP         UINT64_C(0x9e3779b97f4a7c15)
#define STEP_INVERSE UINT64_C(0xf1de83e19937733d)

static_assert(STEP * STEP_INVERSE == 1,
	      "the number of a word is found by multiplying with the inverse");

/* ---- the words ---- */

/*
 * The shifts were found by trial: for all pairs of near connections and near blocks, equal bytes
 * are no more frequent than in random words, within the noise.
 */
static uint64_t scramble(uint64_t x)
{
	x ^= x >> 24;
	x += x << 14;
	x ^= x >> 33;
	x += x << 20;
	x ^= x >> 25;
	x += x << 8;
	return x;
}

/* x += x << s multiplies by 1 + 2^s. Its inverse multiplies by the inverse of that number. */
#define INVERSE_20 UINT64_C(0xf00000fffff00001)
#define INVERSE_14 UINT64_C(0x00fffc000fffc001)
#define INVERSE_8  UINT64_C(0xff00ff00ff00ff01)

static uint64_t unscramble(uint64_t x)
{
	x *= INVERSE_8;
	x ^= x >> 25 ^ x >> 50;
	x *= INVERSE_20;
	x ^= x >> 33;
	x *= INVERSE_14;
	x ^= x >> 24 ^ x >> 48;
	return x;
}

/* The finaliser of splitmix64: maps neighbouring numbers far from each other. */
#define MIXED_30(x) (((x) ^ (x) >> 30) * UINT64_C(0xbf58476d1ce4e5b9))
#define MIXED_27(x) (((x) ^ (x) >> 27) * UINT64_C(0x94d049bb133111eb))
#define MIXED_31(x) ((x) ^ (x) >> 31)
#define MIXED(x)    MIXED_31(MIXED_27(MIXED_30(x)))

static uint64_t start_of(uint64_t seed)
{
	return MIXED(seed + STEP);
}

struct payload payload_of(uint64_t seed, uint64_t connection)
{
	return (struct payload){ .base = start_of(seed) + connection * PAYLOAD_BLOCKS * STEP };
}

/* Random numbers: word j of a block is the key of the block plus salt j. */
#define SALT(j)  MIXED(((j) + 1) * STEP)
#define SALTS(j) SALT(j), SALT((j) + 1), SALT((j) + 2), SALT((j) + 3)

static const __attribute__((aligned(64))) uint64_t salts[] = {
	SALTS(0),  SALTS(4),  SALTS(8),  SALTS(12), SALTS(16), SALTS(20), SALTS(24), SALTS(28),
	SALTS(32), SALTS(36), SALTS(40), SALTS(44), SALTS(48), SALTS(52), SALTS(56), SALTS(60),
};

static_assert(sizeof(salts) == PAYLOAD_BLOCK_SIZE, "a salt for each word of a block");

/* Returns what is added to every word of the block that contains `offset`. */
static uint64_t block_key(const struct payload *payload, uint64_t offset)
{
	return scramble(payload->base + offset / PAYLOAD_BLOCK_SIZE * STEP);
}

static const uint64_t *salt_at(uint64_t offset)
{
	return salts + offset % PAYLOAD_BLOCK_SIZE / WORD;
}

static uint64_t word_at(const struct payload *payload, uint64_t offset)
{
	return *salt_at(offset) + block_key(payload, offset);
}

/* Returns the eight bytes at `offset` as a number, the first byte in its low bits. */
static uint64_t eight_bytes_at(const struct payload *payload, uint64_t offset)
{
	unsigned int skip_bits = (unsigned int)(offset % WORD) * 8;
	if (skip_bits == 0)
		return word_at(payload, offset);
	return word_at(payload, offset) >> skip_bits | word_at(payload, offset + WORD)
							       << (64 - skip_bits);
}

static uint64_t load_eight(const unsigned char *bytes)
{
	uint64_t eight;
	memcpy(&eight, bytes, sizeof(eight));
	return le64toh(eight);
}

static void store_eight(unsigned char *bytes, uint64_t eight)
{
	eight = htole64(eight);
	memcpy(bytes, &eight, sizeof(eight));
}

/* ---- many words at once ---- */

/* Makes four words of a block, in the byte order in which they are sent. */
static inline ALWAYS_INLINE void make_four(const uint64_t *salt, uint64_t key, vector4 *ret_four)
{
	vector4 four;
	memcpy(&four, salt, sizeof(four));
	four += key;
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		four = (vector4){ htole64(four[0]), htole64(four[1]), htole64(four[2]),
				  htole64(four[3]) };
	*ret_four = four;
}

/*
 * A run is a sequence of words of one block. salt: of the first. n: in bytes, a multiple of
 * WORD.
 */
static inline ALWAYS_INLINE void fill_run(const uint64_t *salt, uint64_t key, unsigned char *bytes,
					  size_t n)
{
#pragma GCC unroll 8 /* one block */
	for (; n >= LINE; salt += LINE / WORD, bytes += LINE, n -= LINE) {
		vector4 first, second;
		make_four(salt, key, &first);
		make_four(salt + 4, key, &second);
		memcpy(bytes, &first, sizeof(first));
		memcpy(bytes + sizeof(first), &second, sizeof(second));
	}
	for (; n > 0; salt++, bytes += WORD, n -= WORD)
		store_eight(bytes, *salt + key);
}

/* Adds to *wrong the bits in which n bytes differ from a run. */
static inline ALWAYS_INLINE void compare_run(const uint64_t *salt, uint64_t key,
					     const unsigned char *bytes, size_t n, vector4 *wrong)
{
	vector4 first, second, got_first, got_second;
#pragma GCC unroll 8 /* one block */
	for (; n >= LINE; salt += LINE / WORD, bytes += LINE, n -= LINE) {
		make_four(salt, key, &first);
		make_four(salt + 4, key, &second);
		memcpy(&got_first, bytes, sizeof(got_first));
		memcpy(&got_second, bytes + sizeof(got_first), sizeof(got_second));
		*wrong |= (first ^ got_first) | (second ^ got_second);
	}
	for (; n > 0; salt++, bytes += WORD, n -= WORD)
		(*wrong)[0] |= load_eight(bytes) ^ (*salt + key);
}

/* Returns how many of n bytes are in the block that contains `offset`. */
static inline ALWAYS_INLINE size_t run_at(uint64_t offset, size_t n)
{
	size_t left = PAYLOAD_BLOCK_SIZE - (size_t)(offset % PAYLOAD_BLOCK_SIZE);
	return left < n ? left : n;
}

/* `offset` and n are in bytes, multiples of WORD. */
static inline ALWAYS_INLINE void fill_words_inline(const struct payload *payload, uint64_t offset,
						   unsigned char *bytes, size_t n)
{
	size_t run;
	for (; n > 0; offset += run, bytes += run, n -= run) {
		run = run_at(offset, n);
		fill_run(salt_at(offset), block_key(payload, offset), bytes, run);
	}
}

static inline ALWAYS_INLINE bool match_words_inline(const struct payload *payload, uint64_t offset,
						    const unsigned char *bytes, size_t n)
{
	vector4 wrong = { 0 };
	size_t run;
	for (; n > 0; offset += run, bytes += run, n -= run) {
		run = run_at(offset, n);
		compare_run(salt_at(offset), block_key(payload, offset), bytes, run, &wrong);
	}
	return (wrong[0] | wrong[1] | wrong[2] | wrong[3]) == 0;
}

/*
 * For processors with AVX2, which handle a whole vector with one instruction. target_clones is not
 * used: its resolvers run before a sanitizer is ready.
 */
#ifdef __x86_64__
static __attribute__((target("avx2"))) void fill_words_avx2(const struct payload *payload,
							    uint64_t offset, unsigned char *bytes,
							    size_t n)
{
	fill_words_inline(payload, offset, bytes, n);
}

static __attribute__((target("avx2"))) bool match_words_avx2(const struct payload *payload,
							     uint64_t offset,
							     const unsigned char *bytes, size_t n)
{
	return match_words_inline(payload, offset, bytes, n);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
#define fill_words_avx2  fill_words_inline
#define match_words_avx2 match_words_inline

static bool has_avx2(void)
{
	return false;
}
#endif

static void fill_words(const struct payload *payload, uint64_t offset, unsigned char *bytes,
		       size_t n)
{
	if (has_avx2())
		fill_words_avx2(payload, offset, bytes, n);
	else
		fill_words_inline(payload, offset, bytes, n);
}

static bool match_words(const struct payload *payload, uint64_t offset, const unsigned char *bytes,
			size_t n)
{
	return has_avx2() ? match_words_avx2(payload, offset, bytes, n)
			  : match_words_inline(payload, offset, bytes, n);
}

/* ---- the streams ---- */

/* Returns the number of bytes before the next word, at most n. */
static size_t before_word(uint64_t offset, size_t n)
{
	size_t skip = (size_t)(-offset % WORD);
	return skip < n ? skip : n;
}

void payload_fill(const struct payload *payload, uint64_t offset, void *bytes, size_t n)
{
	unsigned char *out = bytes;
	if (n < WORD) {
		uint64_t eight = htole64(eight_bytes_at(payload, offset));
		memcpy(out, &eight, n);
		return;
	}
	size_t at = before_word(offset, n), n_whole = (n - at) / WORD * WORD;
	if (at > 0)
		store_eight(out, eight_bytes_at(payload, offset));
	fill_words(payload, offset + at, out + at, n_whole);
	at += n_whole;
	/* The last eight bytes; some of them are already written. */
	if (at < n)
		store_eight(out + n - WORD, eight_bytes_at(payload, offset + n - WORD));
}

/* Like payload_match(), byte by byte: for few bytes, and to find the first wrong one. */
static size_t match_bytes(const struct payload *payload, uint64_t offset,
			  const unsigned char *bytes, size_t n)
{
	uint64_t eight = 0;
	for (size_t same = 0; same < n; same++) {
		eight = same % WORD == 0 ? eight_bytes_at(payload, offset + same) : eight >> 8;
		if (bytes[same] != (unsigned char)eight)
			return same;
	}
	return n;
}

/* Returns a number of right bytes from the first on, found in large steps: more may be right. */
static size_t match_roughly(const struct payload *payload, uint64_t offset,
			    const unsigned char *bytes, size_t n)
{
	size_t at = before_word(offset, n);
	if (at > 0 && load_eight(bytes) != eight_bytes_at(payload, offset))
		return 0;
	while (n - at >= WORD) {
		size_t size = n - at < STRETCH ? (n - at) / WORD * WORD : STRETCH;
		if (!match_words(payload, offset + at, bytes + at, size))
			return at;
		at += size;
	}
	if (at < n && load_eight(bytes + n - WORD) != eight_bytes_at(payload, offset + n - WORD))
		return at;
	return n;
}

size_t payload_match(const struct payload *payload, uint64_t offset, const void *bytes, size_t n)
{
	const unsigned char *in = bytes;
	size_t right = n < WORD ? 0 : match_roughly(payload, offset, in, n);
	if (right == n)
		return n;
	return right + match_bytes(payload, offset + right, in + right, n - right);
}

uint64_t payload_count_wrong(const struct payload *payload, uint64_t offset, uint64_t sent,
			     const unsigned char *bytes, size_t n)
{
	uint64_t n_sent = sent > offset ? sent - offset : 0, eight = 0;
	size_t n_compared = n < n_sent ? n : (size_t)n_sent;
	uint64_t n_wrong = n - n_compared;
	for (size_t i = 0; i < n_compared; i++) {
		eight = i % WORD == 0 ? eight_bytes_at(payload, offset + i) : eight >> 8;
		n_wrong += bytes[i] != (unsigned char)eight;
	}
	return n_wrong;
}

/* ---- locating bytes ---- */

/* What to search for, and where. */
struct payload_search {
	uint64_t seed, start, n_connections, bound;
	const unsigned char *bytes;
	size_t n;
};

/*
 * Finds the place of bytes in which, after `skip` bytes, word j of block g of the series begins. A
 * stream longer than PAYLOAD_BLOCKS continues as the stream of the next connection does, so both
 * are tried.
 */
static bool position_of_word(uint64_t n_connections, uint64_t bound, uint64_t g, size_t j,
			     size_t skip, struct payload_place *ret_place)
{
	uint64_t connection = g / PAYLOAD_BLOCKS % PAYLOAD_CONNECTIONS;
	uint64_t block = g % PAYLOAD_BLOCKS;
	for (; block <= bound / PAYLOAD_BLOCK_SIZE; block += PAYLOAD_BLOCKS) {
		uint64_t offset = block * PAYLOAD_BLOCK_SIZE + j * WORD;
		if (connection < n_connections && offset >= skip) {
			*ret_place = (struct payload_place){ connection, offset - skip };
			return true;
		}
		connection = (connection + PAYLOAD_CONNECTIONS - 1) % PAYLOAD_CONNECTIONS;
	}
	return false;
}

/*
 * Locates the n bytes, assuming that `word`, which begins after `skip` bytes, is word j of a block.
 */
static bool locate_word(const struct payload_search *search, uint64_t word, size_t j, size_t skip,
			struct payload_place *ret_place)
{
	uint64_t g = (unscramble(word - salts[j]) - search->start) * STEP_INVERSE;
	struct payload_place place;
	if (!position_of_word(search->n_connections, search->bound, g, j, skip, &place))
		return false;
	struct payload payload = payload_of(search->seed, place.connection);
	if (place.offset > search->bound - search->n ||
	    payload_match(&payload, place.offset, search->bytes, search->n) < search->n)
		return false;
	*ret_place = place;
	return true;
}

bool payload_locate(uint64_t seed, uint64_t n_connections, uint64_t bound, const void *bytes,
		    size_t n, struct payload_place *ret_place)
{
	const struct payload_search search = {
		.start = start_of(seed),
		.seed = seed,
		.n_connections = n_connections,
		.bound = bound,
		.bytes = bytes,
		.n = n,
	};
	if (n > bound)
		return false;
	for (size_t skip = 0; skip < WORD && skip + WORD <= n; skip++) {
		uint64_t word = load_eight(search.bytes + skip);
		for (size_t j = 0; j < WORDS; j++) {
			if (locate_word(&search, word, j, skip, ret_place))
				return true;
		}
	}
	return false;
}
