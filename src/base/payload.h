/* SPDX-License-Identifier: MIT */
/*
 * The bytes that a measurement sends: a function of seed, connection and offset, so that nothing
 * need be kept to compare what comes back, and what comes back wrong says where it is from.
 *
 * A stream is 64-bit words, little-endian, one after the other, in blocks of 64. All the streams of
 * a seed are parts of one series of blocks: connection c begins at its block c * PAYLOAD_BLOCKS.
 * Word j of block g is
 *
 *	shade(j) + scramble(start + g * step)     start: the seed, mixed; step: odd
 *
 * where scramble() maps 64-bit words one to one, and the 64 shades are the same for every seed. A
 * block costs one scramble, and a word an addition, which processors do for several at once. So no
 * two blocks of the series are the same, whatever connections they belong to, and of any word it
 * can be computed which one it is. A single byte is another's in one of 256 cases, as with random
 * bytes, whatever the connections and the distance; but blocks that have one byte in common at a
 * place in their words are likely to have it at that place in all of them.
 *
 * The first PAYLOAD_CONNECTIONS connections differ from each other for PAYLOAD_BLOCKS * 512 bytes:
 * 32 TiB. Beyond, the bytes are still right or wrong, but might be another connection's as well.
 */
#ifndef BASE_PAYLOAD_H
#define BASE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_BLOCKS      (UINT64_C(1) << 36)
#define PAYLOAD_BLOCK_SIZE  ((size_t)512)
#define PAYLOAD_CONNECTIONS (UINT64_C(1) << 28)

/* So much of a stream is its own. */
#define PAYLOAD_SIZE (PAYLOAD_BLOCKS * PAYLOAD_BLOCK_SIZE)

/* So few bytes can be located at all, and so few wherever in a word they begin. */
#define PAYLOAD_LOCATE_MIN  ((size_t)8)
#define PAYLOAD_LOCATE_SURE ((size_t)15)

/* The stream of one connection: a value. Any offset from 0 on, in bytes, is a place in it. */
struct payload {
	uint64_t base; /* what block 0 is made of */
};

/* Any seed will do. From PAYLOAD_CONNECTIONS on, streams are those from connection 0 on again. */
struct payload payload_of(uint64_t seed, uint64_t connection);

/* Writes the n bytes of the stream from an offset on; bytes need not be aligned. */
void payload_fill(const struct payload *payload, uint64_t offset, void *bytes, size_t n);

/*
 * How many of n received bytes, from the first on, are those of the stream from an offset on.
 * n: all are.
 */
size_t payload_match(const struct payload *payload, uint64_t offset, const void *bytes, size_t n);

/*
 * Returns how many of n received bytes differ from those of the stream at their place, from an
 * offset on. A byte at `sent` or behind it was never sent and counts as different.
 */
uint64_t payload_count_wrong(const struct payload *payload, uint64_t offset, uint64_t sent,
			     const unsigned char *bytes, size_t n);

struct payload_place {
	uint64_t connection;
	uint64_t offset; /* of the first byte */
};

/*
 * Where n received bytes are right: at which offset of which of the connections 0 to
 * n_connections - 1, of each of which the first `bound` bytes were sent. Every one of the n bytes
 * is compared. The work does not depend on the number of connections.
 *
 * True, and *ret_place, if they were sent anywhere. From PAYLOAD_LOCATE_SURE bytes on every place
 * is found; of fewer, down to PAYLOAD_LOCATE_MIN, those that hold a whole word. Foreign bytes
 * pass for ours with a chance of n_connections * bound / 2^(8n), or thereabouts.
 */
bool payload_locate(uint64_t seed, uint64_t n_connections, uint64_t bound, const void *bytes,
		    size_t n, struct payload_place *ret_place);

#endif
