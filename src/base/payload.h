/* SPDX-License-Identifier: MIT */
/*
 * The bytes that a measurement sends: a function of seed, connection and offset. So nothing needs
 * to be stored to compare what comes back, and wrong bytes show where they came from.
 *
 * A stream consists of 64-bit words, little-endian, in blocks of 64 words. All streams of a seed
 * are parts of one series of blocks: connection c begins at block c * PAYLOAD_BLOCKS. Word j of
 * block g is
 *
 *	salt(j) + scramble(start + g * step)     start: the mixed seed; step: odd
 *
 * scramble() maps 64-bit words one to one. The 64 salts are the same for every seed. A block costs
 * one scramble, and a word costs one addition, which processors do for several words at once. So no
 * two blocks of the series are equal, in whatever connections, and the position of any word can be
 * computed from the word. A single byte equals another one in one of 256 cases, as with random
 * bytes, for all connections and distances. But two blocks with one equal byte at the same place in
 * a word are likely to have that byte equal in all their words.
 *
 * The first PAYLOAD_CONNECTIONS connections differ from each other for PAYLOAD_BLOCKS * 512 bytes:
 * 32 TiB. Beyond that, comparing still works, but wrong bytes may be located in more than one
 * connection.
 */
#ifndef BASE_PAYLOAD_H
#define BASE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_BLOCKS      (UINT64_C(1) << 36)
#define PAYLOAD_BLOCK_SIZE  ((size_t)512)
#define PAYLOAD_CONNECTIONS (UINT64_C(1) << 28)

/* Number of bytes of a stream that no other stream contains. */
#define PAYLOAD_SIZE (PAYLOAD_BLOCKS * PAYLOAD_BLOCK_SIZE)

/*
 * Number of bytes that payload_locate() needs at least, and the number with which it works at any
 * alignment in a word.
 */
#define PAYLOAD_LOCATE_MIN  ((size_t)8)
#define PAYLOAD_LOCATE_SURE ((size_t)15)

/* The stream of one connection, a value. An offset into it is in bytes, from 0. */
struct payload {
	uint64_t base; /* the input of scramble() for block 0 */
};

/*
 * Every seed is valid. Connection numbers from PAYLOAD_CONNECTIONS on repeat the streams from
 * connection 0 on.
 */
struct payload payload_of(uint64_t seed, uint64_t connection);

/* Writes n bytes of the stream, beginning at `offset`. `bytes` need not be aligned. */
void payload_fill(const struct payload *payload, uint64_t offset, void *bytes, size_t n);

/*
 * Returns how many of n received bytes, from the first on, equal the stream at `offset`. Returns n
 * if all do.
 */
size_t payload_match(const struct payload *payload, uint64_t offset, const void *bytes, size_t n);

/*
 * Returns how many of n received bytes differ from the stream at `offset`. Bytes from offset `sent`
 * on were never sent and count as different.
 */
uint64_t payload_count_wrong(const struct payload *payload, uint64_t offset, uint64_t sent,
			     const unsigned char *bytes, size_t n);

struct payload_place {
	uint64_t connection;
	uint64_t offset; /* offset of the first byte */
};

/*
 * Finds where n received bytes belong: at which offset of which of the connections 0 to
 * n_connections - 1. On each connection the first `bound` bytes were sent. All n bytes are
 * compared. The work does not depend on the number of connections.
 *
 * Returns true and sets *ret_place if the bytes were sent at any place. With PAYLOAD_LOCATE_SURE
 * bytes or more, every place is found. With fewer, down to PAYLOAD_LOCATE_MIN, only bytes that
 * contain a whole word are found. Foreign bytes are taken for ours with a probability of about
 * n_connections * bound / 2^(8n).
 */
bool payload_locate(uint64_t seed, uint64_t n_connections, uint64_t bound, const void *bytes,
		    size_t n, struct payload_place *ret_place);

#endif
