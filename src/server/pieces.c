/* SPDX-License-Identifier: MIT */
#include "server/pieces.h"

#include <assert.h>

#include "net/process.h"

int pieces_open(struct pieces *ret_pieces, uint32_t most, size_t size)
{
	size_t list_size = (most * sizeof(uint32_t) + size - 1) / size * size;
	size_t memory_size = most * size + list_size;
	void *memory;
	int rc = process_reserve(memory_size, &memory);
	if (rc < 0)
		return rc;
	*ret_pieces = (struct pieces){
		.memory = memory,
		.free = (uint32_t *)(void *)((unsigned char *)memory + most * size),
		.size = size,
		.memory_size = memory_size,
		.most = most,
	};
	return 0;
}

void pieces_close(struct pieces *pieces)
{
	if (pieces->memory != NULL)
		process_unshare(pieces->memory, pieces->memory_size);
	*pieces = (struct pieces){ 0 };
}

uint32_t pieces_take(struct pieces *pieces)
{
	if (pieces->n_free > 0) {
		pieces->n_warm -= pieces->n_warm > 0;
		return pieces->free[--pieces->n_free];
	}
	assert(pieces->n_used < pieces->most);
	return pieces->n_used++;
}

void pieces_give_back(struct pieces *pieces, uint32_t number)
{
	assert(pieces->n_free < pieces->n_used);
	if (pieces->n_warm < PIECES_WARM)
		pieces->n_warm++;
	else /* the one that has been cooling for longest */
		process_release(pieces_at(pieces, pieces->free[pieces->n_free - PIECES_WARM]),
				pieces->size);
	pieces->free[pieces->n_free++] = number;
}

unsigned char *pieces_at(const struct pieces *pieces, uint32_t number)
{
	return pieces->memory + number * pieces->size;
}
