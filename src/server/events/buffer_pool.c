/* SPDX-License-Identifier: MIT */
#include "server/events/buffer_pool.h"

#include <assert.h>

#include "net/shm.h"

int buffer_pool_open(struct buffer_pool *ret_pool, uint32_t max, size_t size)
{
	size_t list_size = (max * sizeof(uint32_t) + size - 1) / size * size;
	size_t memory_size = max * size + list_size;
	void *memory;
	int rc = shm_map_private(memory_size, &memory);
	if (rc < 0)
		return rc;
	*ret_pool = (struct buffer_pool){
		.memory = memory,
		.free = (uint32_t *)(void *)((unsigned char *)memory + max * size),
		.size = size,
		.memory_size = memory_size,
		.max = max,
	};
	return 0;
}

void buffer_pool_close(struct buffer_pool *pool)
{
	if (pool->memory != NULL)
		shm_unmap(pool->memory, pool->memory_size);
	*pool = (struct buffer_pool){ 0 };
}

uint32_t buffer_pool_take(struct buffer_pool *pool)
{
	if (pool->n_free > 0) {
		pool->n_warm -= pool->n_warm > 0;
		return pool->free[--pool->n_free];
	}
	assert(pool->n_used < pool->max);
	return pool->n_used++;
}

void buffer_pool_give_back(struct buffer_pool *pool, uint32_t number)
{
	assert(pool->n_free < pool->n_used);
	if (pool->n_warm < BUFFER_POOL_WARM)
		pool->n_warm++;
	else /* releases the memory of the warm buffer that was returned first */
		shm_discard(buffer_pool_at(pool, pool->free[pool->n_free - BUFFER_POOL_WARM]),
			    pool->size);
	pool->free[pool->n_free++] = number;
}

unsigned char *buffer_pool_at(const struct buffer_pool *pool, uint32_t number)
{
	return pool->memory + number * pool->size;
}
