/* SPDX-License-Identifier: MIT */
/*
 * Buffers for bytes that could not be sent at once: one for each client that has such bytes, and
 * none for all others.
 *
 * Address space is reserved for the worst case; pages become memory when bytes are written. The
 * buffer that was returned last is taken first, because it is in the cache. The BUFFER_POOL_WARM
 * buffers returned last keep their memory; the pages of other free buffers go back to the kernel.
 * Nothing is allocated while bytes flow.
 */
#ifndef SERVER_EVENTS_BUFFER_POOL_H
#define SERVER_EVENTS_BUFFER_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Free buffers that keep their memory. */
#define BUFFER_POOL_WARM 8

struct buffer_pool {
	unsigned char *memory;
	uint32_t *free; /* numbers of the free buffers */
	size_t size, memory_size;
	uint32_t max, n_used, n_free;
	uint32_t n_warm; /* number of free buffers that keep their memory, returned last */
};

/*
 * Makes a pool for `max` clients, with buffers of `size` bytes, a multiple of a page. Returns 0 or
 * -ENOMEM.
 */
MUST_USE int buffer_pool_open(struct buffer_pool *ret_pool, uint32_t max, size_t size);
void buffer_pool_close(struct buffer_pool *pool);

/* Takes a free buffer and returns its number. At most `max` buffers may be taken at a time. */
uint32_t buffer_pool_take(struct buffer_pool *pool);
void buffer_pool_give_back(struct buffer_pool *pool, uint32_t number);

/* Returns the memory of a buffer. */
unsigned char *buffer_pool_at(const struct buffer_pool *pool, uint32_t number);

#endif
