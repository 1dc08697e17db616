/* SPDX-License-Identifier: MIT */
/*
 * The words are made two vectors of four at a time, a cache line of bytes. The compiler makes of a
 * vector what the processor has: one register, two, or plain words. A stream begins and ends within
 * a word wherever it is cut, so its first and last eight bytes are done apart, and may overlap with
 * the words between them: cheaper than a loop over single bytes.
 */
#include "base/pattern.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define WORD  ((size_t)8)
#define BLOCK ((size_t)64)

/* So many bytes are compared between two looks at the result: what is right is the rule. */
#define STRETCH ((size_t)4096)

typedef uint64_t lanes __attribute__((vector_size(32)));

#define ALWAYS_INLINE __attribute__((always_inline))

/* The golden ratio's share of 2^64: multiples of it lie far from each other. */
static const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
static const uint64_t step_inverse = UINT64_C(0xf1de83e19937733d);

static_assert(UINT64_C(0x9e3779b97f4a7c15) * UINT64_C(0xf1de83e19937733d) == 1,
	      "the number of a word is found by multiplying with the inverse");

/* ---- the words ---- */

/*
 * For words and vectors of them. The shifts are chosen by trial: of all pairs of near connections
 * and near words no byte is the same more often than in random words, give or take the noise.
 */
#define SCRAMBLE(x)               \
	do {                      \
		(x) ^= (x) >> 24; \
		(x) += (x) << 14; \
		(x) ^= (x) >> 33; \
		(x) += (x) << 20; \
		(x) ^= (x) >> 25; \
		(x) += (x) << 8;  \
	} while (0)

static uint64_t scramble(uint64_t x)
{
	SCRAMBLE(x);
	return x;
}

/* x += x << s multiplies by 1 + 2^s: its inverse is the inverse of that. */
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

/* Neighbouring seeds begin far from each other (the finaliser of splitmix64). */
static uint64_t start_of(uint64_t seed)
{
	seed += step;
	seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
	return seed ^ seed >> 31;
}

struct pattern pattern_of(uint64_t seed, uint64_t connection)
{
	return (struct pattern){ .base = start_of(seed) + connection * PATTERN_WORDS * step };
}

/* What the word that holds an offset is made of. */
static uint64_t seed_at(const struct pattern *pattern, uint64_t offset)
{
	return pattern->base + offset / WORD * step;
}

/* The eight bytes from an offset on as a number, the first in its low bits. */
static uint64_t eight_at(const struct pattern *pattern, uint64_t offset)
{
	uint64_t seed = seed_at(pattern, offset), word = scramble(seed);
	unsigned int skip_bits = (unsigned int)(offset % WORD) * 8;
	if (skip_bits == 0)
		return word;
	return word >> skip_bits | scramble(seed + step) << (64 - skip_bits);
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

/* The words of a vector of seeds, in the order of bytes in which they are sent. */
#define VECTOR_OF(x, seeds)                                                               \
	do {                                                                              \
		(x) = (seeds);                                                            \
		SCRAMBLE(x);                                                              \
		if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)                               \
			(x) = (lanes){ htole64((x)[0]), htole64((x)[1]), htole64((x)[2]), \
				       htole64((x)[3]) };                                 \
	} while (0)

/* n is a multiple of BLOCK. */
static inline ALWAYS_INLINE void fill_blocks(uint64_t seed, unsigned char *bytes, size_t n)
{
	lanes first = seed + (lanes){ 0, step, 2 * step, 3 * step }, second = first + 4 * step, x;
	for (size_t at = 0; at < n; at += BLOCK) {
		VECTOR_OF(x, first);
		memcpy(bytes + at, &x, sizeof(x));
		VECTOR_OF(x, second);
		memcpy(bytes + at + sizeof(x), &x, sizeof(x));
		first += BLOCK / WORD * step;
		second += BLOCK / WORD * step;
	}
}

/* Are n bytes, a multiple of BLOCK, those? */
static inline ALWAYS_INLINE bool match_blocks(uint64_t seed, const unsigned char *bytes, size_t n)
{
	lanes first = seed + (lanes){ 0, step, 2 * step, 3 * step }, second = first + 4 * step;
	lanes wrong = { 0 }, x, got;
	for (size_t at = 0; at < n; at += BLOCK) {
		VECTOR_OF(x, first);
		memcpy(&got, bytes + at, sizeof(got));
		wrong |= x ^ got;
		VECTOR_OF(x, second);
		memcpy(&got, bytes + at + sizeof(got), sizeof(got));
		wrong |= x ^ got;
		first += BLOCK / WORD * step;
		second += BLOCK / WORD * step;
	}
	return (wrong[0] | wrong[1] | wrong[2] | wrong[3]) == 0;
}

/*
 * The same for processors with AVX2, which do a whole vector in one instruction: twice as fast. Not
 * by target_clones: its resolvers run before a sanitizer is ready for them.
 */
#ifdef __x86_64__
static __attribute__((target("avx2"))) void fill_blocks_avx2(uint64_t seed, unsigned char *bytes,
							     size_t n)
{
	fill_blocks(seed, bytes, n);
}

static __attribute__((target("avx2"))) bool match_blocks_avx2(uint64_t seed,
							      const unsigned char *bytes, size_t n)
{
	return match_blocks(seed, bytes, n);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
#define fill_blocks_avx2  fill_blocks
#define match_blocks_avx2 match_blocks

static bool has_avx2(void)
{
	return false;
}
#endif

/* ---- the streams ---- */

/* How many bytes lie before the next word, at most n. */
static size_t before_word(uint64_t offset, size_t n)
{
	size_t skip = (size_t)(-offset % WORD);
	return skip < n ? skip : n;
}

void pattern_fill(const struct pattern *pattern, uint64_t offset, void *bytes, size_t n)
{
	unsigned char *out = bytes;
	if (n < WORD) {
		uint64_t eight = htole64(eight_at(pattern, offset));
		memcpy(out, &eight, n);
		return;
	}
	size_t at = before_word(offset, n), n_blocks = (n - at) / BLOCK * BLOCK;
	if (at > 0)
		store_eight(out, eight_at(pattern, offset));
	if (n_blocks > 0 && has_avx2())
		fill_blocks_avx2(seed_at(pattern, offset + at), out + at, n_blocks);
	else if (n_blocks > 0)
		fill_blocks(seed_at(pattern, offset + at), out + at, n_blocks);
	for (at += n_blocks; n - at >= WORD; at += WORD)
		store_eight(out + at, scramble(seed_at(pattern, offset + at)));
	/* The last eight once more, of which some are there already. */
	if (at < n)
		store_eight(out + n - WORD, eight_at(pattern, offset + n - WORD));
}

/* As pattern_match(), for few bytes and where something is wrong. */
static size_t match_bytes(const struct pattern *pattern, uint64_t offset,
			  const unsigned char *bytes, size_t n)
{
	uint64_t eight = 0;
	for (size_t same = 0; same < n; same++) {
		eight = same % WORD == 0 ? eight_at(pattern, offset + same) : eight >> 8;
		if (bytes[same] != (unsigned char)eight)
			return same;
	}
	return n;
}

static bool match_stretch(uint64_t seed, const unsigned char *bytes, size_t n)
{
	return has_avx2() ? match_blocks_avx2(seed, bytes, n) : match_blocks(seed, bytes, n);
}

/* How many bytes from the first on are right, in large steps: those behind may be right as well. */
static size_t match_roughly(const struct pattern *pattern, uint64_t offset,
			    const unsigned char *bytes, size_t n)
{
	size_t at = before_word(offset, n);
	if (at > 0 && load_eight(bytes) != eight_at(pattern, offset))
		return 0;
	while (n - at >= BLOCK) {
		size_t size = n - at < STRETCH ? (n - at) / BLOCK * BLOCK : STRETCH;
		if (!match_stretch(seed_at(pattern, offset + at), bytes + at, size))
			return at;
		at += size;
	}
	for (; n - at >= WORD; at += WORD) {
		if (load_eight(bytes + at) != scramble(seed_at(pattern, offset + at)))
			return at;
	}
	if (at < n && load_eight(bytes + n - WORD) != eight_at(pattern, offset + n - WORD))
		return at;
	return n;
}

size_t pattern_match(const struct pattern *pattern, uint64_t offset, const void *bytes, size_t n)
{
	const unsigned char *in = bytes;
	size_t right = n < WORD ? 0 : match_roughly(pattern, offset, in, n);
	if (right == n)
		return n;
	return right + match_bytes(pattern, offset + right, in + right, n - right);
}

/* ---- the way back ---- */

/*
 * The place of n bytes behind which, after `skip`, word g of the series begins. A stream of more
 * than PATTERN_WORDS goes on as the next connection's does: the bytes may be of either.
 */
static bool place_of(uint64_t n_connections, uint64_t bound, uint64_t g, size_t skip,
		     struct pattern_place *ret_place)
{
	uint64_t connection = g / PATTERN_WORDS % PATTERN_CONNECTIONS;
	for (uint64_t word = g % PATTERN_WORDS; word <= bound / WORD; word += PATTERN_WORDS) {
		if (connection < n_connections && word * WORD >= skip) {
			*ret_place = (struct pattern_place){ .connection = connection,
							     .offset = word * WORD - skip };
			return true;
		}
		connection = (connection + PATTERN_CONNECTIONS - 1) % PATTERN_CONNECTIONS;
	}
	return false;
}

bool pattern_locate(uint64_t seed, uint64_t n_connections, uint64_t bound, const void *bytes,
		    size_t n, struct pattern_place *ret_place)
{
	uint64_t start = start_of(seed);
	if (n > bound)
		return false;
	for (size_t skip = 0; skip < WORD && skip + WORD <= n; skip++) {
		uint64_t word = load_eight((const unsigned char *)bytes + skip);
		uint64_t g = (unscramble(word) - start) * step_inverse;
		struct pattern_place place;
		if (!place_of(n_connections, bound, g, skip, &place))
			continue;
		struct pattern pattern = pattern_of(seed, place.connection);
		if (place.offset <= bound - n &&
		    pattern_match(&pattern, place.offset, bytes, n) == n) {
			*ret_place = place;
			return true;
		}
	}
	return false;
}
