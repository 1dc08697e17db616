/* SPDX-License-Identifier: MIT */
/*
 * Memory for bytes that could not be sent at once: one piece for each client who has such bytes,
 * and none for all the others.
 *
 * Address space is set aside for the worst case, and becomes memory only where bytes are put. The
 * piece that was given back last is taken first, because it is warm; a few are kept so, and the
 * pages of all others go back to the kernel. Nothing is ever allocated while bytes flow.
 */
#ifndef SERVER_EVENTS_BUFFER_POOL_H
#define SERVER_EVENTS_BUFFER_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Pieces that stay memory when nobody has them. */
#define BUFFER_POOL_WARM 8

struct buffer_pool {
	unsigned char *memory;
	uint32_t *free; /* numbers of those that were given back */
	size_t size, memory_size;
	uint32_t most, n_used, n_free;
	uint32_t n_warm; /* so many of the free ones, those given back last, are memory */
};

/* For `most` clients, of `size` bytes each, a multiple of a page. Returns 0 or -ENOMEM. */
MUST_USE int buffer_pool_open(struct buffer_pool *ret_pieces, uint32_t most, size_t size);
void buffer_pool_close(struct buffer_pool *pool);

/* A piece that is nobody's: its number. There is one for each of `most`. */
uint32_t buffer_pool_take(struct buffer_pool *pool);
void buffer_pool_give_back(struct buffer_pool *pool, uint32_t number);

/* Its memory. */
unsigned char *buffer_pool_at(const struct buffer_pool *pool, uint32_t number);

#endif
